package openai

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

func TestErrorsAreToldInOpenAIsWords(t *testing.T) {
	for _, c := range []struct {
		name string
		in   dialect.Error
		want string
	}{
		{"its own types stay", dialect.Error{Status: 429, Type: "insufficient_quota", Code: "insufficient_quota", Message: "x"}, `{"error":{"message":"x","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`},
		{"so do those of servers that have its shape", dialect.Error{Status: 400, Type: "BadRequestError", Code: "400", Param: "n", Message: "x"}, `{"error":{"message":"x","type":"BadRequestError","param":"n","code":"400"}}`},
		{"Anthropic's word for being overloaded", dialect.Error{Status: 529, Type: "overloaded_error", Message: "x"}, `{"error":{"message":"x","type":"server_error","param":null,"code":"overloaded_error"}}`},
		{"Anthropic's word for what failed inside", dialect.Error{Status: 500, Type: "api_error", Message: "x"}, `{"error":{"message":"x","type":"server_error","param":null,"code":"api_error"}}`},
		{"Google's words", dialect.Error{Status: 400, Type: "INVALID_ARGUMENT", Message: "x"}, `{"error":{"message":"x","type":"invalid_request_error","param":null,"code":"INVALID_ARGUMENT"}}`},
		{"Google's words for a limit", dialect.Error{Status: 429, Type: "RESOURCE_EXHAUSTED", Code: "RATE_LIMIT_EXCEEDED", Message: "x"}, `{"error":{"message":"x","type":"rate_limit_error","param":null,"code":"RATE_LIMIT_EXCEEDED"}}`},
		{"the names of AWS are codes", dialect.Error{Status: 503, Type: "api_error", Code: "ServiceUnavailableException", Message: "x"}, `{"error":{"message":"x","type":"server_error","param":null,"code":"ServiceUnavailableException"}}`},
		{"an answer that the gateway cannot use", dialect.Error{Status: 502, Type: "api_error", Message: "x"}, `{"error":{"message":"x","type":"api_error","param":null,"code":null}}`},
		{"nothing is said", dialect.Error{}, `{"error":{"message":"The provider answered with an error and no message.","type":"api_error","param":null,"code":null}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, string(AppendError(nil, &c.in))); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
