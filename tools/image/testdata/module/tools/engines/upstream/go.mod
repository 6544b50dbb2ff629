module github.com/example/shop/tools/engines/upstream

go 1.26

tool example.com/upstream/v2/cmd/greeter

require example.com/upstream/v2 v2.3.4

replace example.com/upstream/v2 => ../../../upstream
