package gemini

import "github.com/gwc-dev/gwc/runtime/dialect"

// ReadUsage reads a usageMetadata object, as answers and the messages of the Live API have it. ok is false where there
// are no numbers in it. raw is whole JSON.
func ReadUsage(raw []byte) (u dialect.Usage, ok bool) {
	ok = readUsage(raw, &u)
	return u, ok
}
