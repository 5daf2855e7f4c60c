package dialect

import "strings"

// sealed begins a signature of one provider in the dialect of another: "gwc1:anthropic:EqQBCg…".
const sealed = "gwc1:"

// Seal returns a signature (or the data of a block of redacted thinking) of the provider by in the form in which it
// goes to a caller: as it is where the caller's dialect is own, the signer's own one, or where nobody knows who
// signed; otherwise as "gwc1:", the signer, ":" and the signature, so that the signer's name comes back with it and what one
// provider signed is never sent to another. Callers hold it for opaque, as they hold the signature itself.
func Seal(own, by Signer, signature string) string {
	if by == own || by == SignerUnknown || signature == "" {
		return signature
	}
	return sealed + string(by) + ":" + signature
}

// Unseal undoes [Seal] for a caller whose dialect is own: what bears no other name was signed there.
func Unseal(own Signer, s string) (by Signer, signature string) {
	rest, ok := strings.CutPrefix(s, sealed)
	if !ok {
		return own, s
	}
	name, signature, ok := strings.Cut(rest, ":")
	if !ok || signature == "" {
		return own, s
	}
	return Signer(name), signature
}
