package openaichat

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

func TestErrorBodiesAreReadInEveryForm(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   dialect.Error
	}{
		{"OpenAI's", 400, `{"error":{"message":"bad","type":"invalid_request_error","param":"messages[0]","code":"x"}}`, dialect.Error{Status: 400, Message: "bad", Type: "invalid_request_error", Param: "messages[0]", Code: "x"}},
		{"nulls", 429, `{"error":{"message":"slow","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`, dialect.Error{Status: 429, Message: "slow", Type: "tokens", Code: "rate_limit_exceeded"}},
		{"a code that is a number", 404, `{"error":{"message":"gone","code":404}}`, dialect.Error{Status: 404, Message: "gone", Type: "not_found_error", Code: "404"}},
		{"an error that is a string", 400, `{"error":"no"}`, dialect.Error{Status: 400, Message: "no", Type: "invalid_request_error"}},
		{"a message at the top", 500, `{"message":"oops"}`, dialect.Error{Status: 500, Message: "oops", Type: "server_error"}},
		{"a detail", 422, `{"detail":"no"}`, dialect.Error{Status: 422, Message: "no", Type: "invalid_request_error"}},
		{"a list of details", 422, `{"detail":[{"loc":["body"],"msg":"field required","type":"x"}]}`, dialect.Error{Status: 422, Message: "field required", Type: "x"}},
		{"a list of errors", 400, `[{"error":{"code":400,"message":"key","status":"INVALID"}}]`, dialect.Error{Status: 400, Message: "key", Type: "invalid_request_error", Code: "400"}},
		{"an error inside a message", 502, `{"error":{"message":"{\"error\":{\"message\":\"deep\",\"type\":\"t\"}}","type":"outer"}}`, dialect.Error{Status: 502, Message: "deep", Type: "t"}},
		{"HTML", 502, `<html><body>Bad Gateway</body></html>`, dialect.Error{Status: 502, Message: "The provider answered with status 502 and no readable error.", Type: "server_error"}},
		{"nothing", 503, ``, dialect.Error{Status: 503, Message: "The provider answered with status 503 and no readable error.", Type: "server_error"}},
		{"broken JSON", 500, `{"error":{"mess`, dialect.Error{Status: 500, Message: "The provider answered with status 500 and no readable error.", Type: "server_error"}},
		{"JSON without a message", 500, `{"ok":false}`, dialect.Error{Status: 500, Message: "The provider answered with status 500 and no readable error.", Type: "server_error"}},
		{"a plain text", 503, "upstream connect error\n", dialect.Error{Status: 503, Message: "upstream connect error", Type: "server_error"}},
		{"bytes", 503, "\x00\x01\x02", dialect.Error{Status: 503, Message: "The provider answered with status 503 and no readable error.", Type: "server_error"}},
		{"refused credentials are the gateway's", 401, `{"error":{"message":"Incorrect API key provided: sk-proj-abc***xyz.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, dialect.Error{Status: 401, Message: dialect.Refused, Type: "invalid_request_error", Code: "invalid_api_key"}},
		{"keys are redacted anywhere", 400, `{"error":{"message":"the key 'sk-abcdefgh12345' of Bearer abcdefghij, risk-free"}}`, dialect.Error{Status: 400, Message: "the key '[redacted]' of [redacted], risk-free", Type: "invalid_request_error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.RetryAfter = "7"
			if diff := cmp.Diff(&c.want, DecodeError(&dialect.ErrorAnswer{Status: c.status, RetryAfter: "7", Body: []byte(c.body)})); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsAreWrittenInOpenAIsShape(t *testing.T) {
	for _, c := range []struct {
		e    dialect.Error
		want string
	}{
		{dialect.Error{Message: "a \"b\"", Type: "t", Param: "p", Code: "c"}, `{"error":{"message":"a \"b\"","type":"t","param":"p","code":"c"}}`},
		{dialect.Error{Message: "a", Type: "t"}, `{"error":{"message":"a","type":"t","param":null,"code":null}}`},
		{dialect.Error{}, `{"error":{"message":"The provider answered with an error and no message.","type":"api_error","param":null,"code":null}}`},
	} {
		if got := string(AppendError(nil, &c.e)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestClientsSeeAStatusThatTheyKnow(t *testing.T) {
	for status, want := range map[int]int{400: 400, 401: 401, 404: 404, 413: 413, 429: 429, 500: 500, 502: 502, 503: 503, 529: 503, 0: 502, 200: 502, 302: 502, 600: 502} {
		if got := ClientStatus(&dialect.Error{Status: status}); got != want {
			t.Errorf("status %d becomes %d, want %d", status, got, want)
		}
	}
}

func FuzzErrorsAlwaysHaveAMessage(f *testing.F) {
	for _, s := range []string{`{"error":{"message":"bad"}}`, `[[[[{"error":"x"}]]]]`, `{"detail":[{"msg":1}]}`, "<html>", "", `{"error":{"message":"{\"message\":\"x\"}"}}`, "sk-sk-sk-aaaaaaa"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := DecodeError(&dialect.ErrorAnswer{Status: 500, Body: body})
		if e.Message == "" || e.Type == "" || e.Status != 500 {
			t.Errorf("%+v", e)
		}
		if strings.Contains(dialect.Redact("key sk-"+strings.Repeat("a", 20)), "aaaa") {
			t.Error("a key passed")
		}
	})
}
