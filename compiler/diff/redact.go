package diff

import "regexp"

// secrets are texts that look like credentials whatever they stand in: the shapes of well-known keys and tokens, and
// long runs of letters and digits mixed, which no name of a field is.
var secrets = regexp.MustCompile(`(?:sk|pk|rk)[-_][A-Za-z0-9_-]{8,}|gwc_[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{8,}|A[KS]IA[A-Z0-9]{12,}|AIza[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*|(?i:bearer|basic) +[A-Za-z0-9+/=._~-]{8,}`)

// redact blanks what looks like a credential in text of a document: an example, a default, a pattern. A document is
// no place for one, but a plan goes to where even fewer should read it.
func redact(s string) string { return secrets.ReplaceAllString(s, "(a secret)") }
