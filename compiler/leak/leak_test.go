package leak

import (
	"strings"
	"testing"
)

// random is what keys are made of; it is nobody's.
const random = "f3Kq9ZrT7mWv2LxB8cNd5HsJ6gYp4QaU0eRiOoEtVw1"

func TestKeysAreFoundAndNothingElse(t *testing.T) {
	for _, test := range []struct {
		name, text string
		found      string // the beginning of what is found, "" for nothing
	}{
		{"a key in a comment", "// old key: s" + "k-" + random, "s" + "k-f3Kq"},
		{"a key of a cloud in an example", `example: "AKI` + `AQ7ZP2WX9LMVT4KRB"`, "AKI" + "AQ7"},
		{"a key of this gateway", "curl -H 'x-api-key: gw" + "c_" + random + "'", "gw" + "c_f3"},
		{"a token of a code host", "gh" + "p_" + random, "gh" + "p_"},
		{"a private key", "-----BEGIN RSA PRIV" + "ATE KEY-----\nMIIEpQIBAAKCAQEA" + random + random + random, "-----BEGIN RSA"},
		{"a private key in JSON", `"-----BEGIN PRIV` + `ATE KEY-----\nMIIEpQIBAAKCAQEA` + random + random + random, "-----BEGIN PRIV"},
		{"a placeholder", "s" + "k-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ""},
		{"a vendor's example", "AKI" + "AIOSFODNN7EXAMPLE", ""},
		{"words", "s" + "k-this-is-the-key-that-you-get-from-us-in-the-console", ""},
		{"one character", "hf_" + strings.Repeat("a", 40), ""},
		{"a hash", "sha256:" + strings.Repeat("0123456789abcdef", 4), ""},
		{"a private key that is cut out", "-----BEGIN PRIV" + "ATE KEY-----\n...\n", ""},
		{"a prefix alone", "task-list of ask-me", ""},
		{"nothing", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, to, found := Find([]byte(test.text))
			if found != (test.found != "") || found && !strings.HasPrefix(test.text[from:to], test.found) {
				t.Errorf("Find(%q) = %d, %d, %v; want %q", test.text, from, to, found, test.found)
			}
		})
	}
}

func FuzzFindStaysWithinTheText(f *testing.F) {
	f.Add([]byte("s" + "k-" + random))
	f.Add([]byte("-----BEGIN PRIV" + "ATE KEY-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if from, to, found := Find(text); found && (from < 0 || to <= from || to > len(text)) {
			t.Errorf("%d, %d of %d bytes", from, to, len(text))
		}
	})
}
