package render

import "testing"

func TestSecretsInYAMLWithoutQuotesAreBlanked(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"    apiKey: hunter2-hunter2\n", "    apiKey: [secret]\n"},
		{"    apiKey: hunter2 hunter3 # why\n", "    apiKey: [secret] # why\n"},
		{"  - {id: web-1, hash: hunter2x}\n", "  - {id: web-1, hash: [secret]}\n"},
		{"    credentials: [{ref: hunter2-x}, {ref: env:KEY}]\n", "    credentials: [{ref: [secret]}, {ref: env:KEY}]\n"},
		{"    password: _other\n", "    password: _other\n"},
		{"    keys: [{id: a}]\n", "    keys: [{id: a}]\n"},
		{"    requests: 100000\n", "    requests: 100000\n"},
		{"token: openai: {kind: \"openai\"}\n", "token: openai: {kind: \"openai\"}\n"},
	} {
		if got := Blank(tt.in, nil, nil); got != tt.want {
			t.Errorf("%q became %q, want %q", tt.in, got, tt.want)
		}
	}
}
