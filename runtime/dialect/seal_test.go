package dialect_test

import (
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

func TestASealNamesWhoeverSigned(t *testing.T) {
	for _, c := range []struct {
		name    string
		own, by dialect.Signer
		in, out string
	}{
		{"the dialect's own provider needs no name", dialect.SignerAnthropic, dialect.SignerAnthropic, "EqQB", "EqQB"},
		{"a signature of nobody known stays as it is", dialect.SignerAnthropic, dialect.SignerUnknown, "EqQB", "EqQB"},
		{"another's bears its name", dialect.SignerAnthropic, dialect.SignerOpenAI, "rs_1:gAAA", "gwc1:openai:rs_1:gAAA"},
		{"nothing stays nothing", dialect.SignerAnthropic, dialect.SignerOpenAI, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := dialect.Seal(c.own, c.by, c.in)
			if out != c.out {
				t.Fatalf("sealed as %q, want %q", out, c.out)
			}
			by, in := dialect.Unseal(c.own, out)
			if want := c.by; by != want && !(want == dialect.SignerUnknown && by == c.own) && c.in != "" || in != c.in {
				t.Errorf("unsealed as %q of %q", in, by)
			}
		})
	}
	if by, s := dialect.Unseal(dialect.SignerAnthropic, "gwc1:torn"); by != dialect.SignerAnthropic || s != "gwc1:torn" {
		t.Errorf("what is no seal was taken for one of %q", by)
	}
}

// TestAForeignSignatureIsNotSentToAnthropic: a turn that another provider thought goes on at Anthropic's without that
// thinking, whose signature would be refused; its own comes back as it was.
func TestAForeignSignatureIsNotSentToAnthropic(t *testing.T) {
	for _, c := range []struct {
		name, signature string
		sent            bool
	}{
		{"Anthropic's own", "EqQB", true},
		{"Anthropic's under its name", "gwc1:anthropic:EqQB", true},
		{"OpenAI's", "gwc1:openai:rs_1:gAAA", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := openaichat.DecodeRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"a"},
				{"role":"assistant","content":"b","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"` + c.signature + `"}]},{"role":"user","content":"c"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			body, err := anthropic.EncodeRequest(nil, r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 10})
			if err != nil {
				t.Fatal(err)
			}
			back, err := anthropic.DecodeRequest(body)
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			first := back.Messages[1].Parts[0]
			if got := first.Kind == dialect.Thinking; got != c.sent || got && first.Signature != "EqQB" {
				t.Errorf("sent: %s", body)
			}
		})
	}
}
