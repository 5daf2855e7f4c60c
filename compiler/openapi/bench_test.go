package openapi

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/gwc-dev/gwc/compiler/specimen"
)

// A thousand small documents, as a large repository has them.
func BenchmarkReadThousandSmallDocuments(b *testing.B) {
	files := specimen.Repository(1000, "http://127.0.0.1:9000")
	in := Input{Files: Bytes(files)}
	size := 0
	for f, src := range files {
		if strings.HasSuffix(f, ".yaml") {
			in.Wanted = append(in.Wanted, Wanted{File: f})
			size += len(src)
		}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		Read(in)
	}
}

// The same documents by kin-openapi, with origins and without validation: what the package's essay refers to.
func BenchmarkKinOpenAPIReadsThousandSmallDocuments(b *testing.B) {
	files := Bytes(specimen.Repository(1000, "http://127.0.0.1:9000"))
	for b.Loop() {
		for f, src := range files {
			if !strings.HasSuffix(f, ".yaml") {
				continue
			}
			l := openapi3.NewLoader()
			l.IncludeOrigin = true
			if _, err := l.LoadFromData(src); err != nil {
				b.Fatal(err)
			}
		}
	}
}
