package openaichat_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// BenchmarkAdapt is what a chat of 2 KB costs on its way to vendors: one that takes it as it is, one of whose limit the name
// is another, and one for which messages have to be looked at.
func BenchmarkAdapt(b *testing.B) {
	talk := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 20)
	body := fmt.Appendf(nil, `{"model":"m","temperature":0.2,"max_tokens":100,"stream":true,"messages":[{"role":"system","content":%q},{"role":"user","content":%q}]}`, talk, talk)
	marked := []byte(strings.Replace(string(body), `{"role":"user"`, `{"role":"developer"`, 1))
	for _, c := range []struct {
		name, vendor string
		body         []byte
	}{{"as it is", "together", body}, {"another name", "groq", body}, {"messages", "groq", marked}} {
		b.Run(c.name, func(b *testing.B) {
			row := vendor.Get(c.vendor)
			var dst []byte
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = openaichat.Adapt(dst[:0], c.body, row, "m")
			}
		})
	}
}
