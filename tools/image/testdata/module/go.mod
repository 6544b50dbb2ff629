module github.com/example/shop/code

go 1.26
