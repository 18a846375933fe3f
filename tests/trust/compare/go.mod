module kferry/tests/trust

go 1.19
