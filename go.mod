module github.com/weft-ml/weft

go 1.26
