module github.com/gwc-dev/gwc/conformance

go 1.26.0
