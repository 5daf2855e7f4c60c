package dialect_test

import (
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/recorded"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// TestRecordedRequestsFitTheirVendorsRow adapts each recorded chat request to the vendor that answered it: what the vendor
// took must not be refused, and comes out as JSON that the dialect reads. Every other row either takes it or names the
// field that it does not.
func TestRecordedRequestsFitTheirVendorsRow(t *testing.T) {
	hosts := map[string]string{"api.groq.com": "groq", "api.x.ai": "xai", "api.z.ai": "zai", "router.huggingface.co": "huggingface", "api.avian.io": "avian",
		"openrouter.ai": "openrouter", "ai-gateway.vercel.sh": "vercel", "localhost:8080": "llama-cpp", "api.together.xyz": "together", "api.mistral.ai": "mistral"}
	own, all := map[string]int{}, 0
	usable, _ := recorded.Usable(t)
	for _, e := range usable {
		if !strings.HasSuffix(e.Path, "/chat/completions") || jsonscan.Check([]byte(e.Request)) != nil {
			continue
		}
		for _, row := range append(vendor.All(), *vendor.Mistral()) {
			out, derr := openaichat.Adapt(nil, []byte(e.Request), &row, "a-model")
			switch {
			case derr != nil && hosts[e.Host] == row.Name:
				t.Errorf("%s: %s refuses what it answered: %s", e.Name, row.Name, derr.Message)
			case derr != nil && (derr.Param == "" || derr.Status != 400):
				t.Errorf("%s: %s refuses without a name: %+v", e.Name, row.Name, derr)
			case derr != nil:
				continue
			}
			if err := jsonscan.Check(out); err != nil {
				t.Errorf("%s: %s: %v", e.Name, row.Name, err)
			}
			all++
			if hosts[e.Host] == row.Name {
				own[row.Name]++
			}
		}
	}
	t.Logf("%d requests fit; at those who answered them: %v", all, own)
	if len(own) < 8 {
		t.Errorf("only %v were found", own)
	}
}
