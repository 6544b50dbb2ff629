module example.com/upstream/v2

go 1.26
