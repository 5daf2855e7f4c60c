package openapi

import (
	"net/url"
	"strconv"
	"strings"
)

// resolve follows a JSON Pointer (RFC 6901), as it stands in the fragment of a URI, from the root. It returns none,
// and the first part that does not exist, where the pointer leads nowhere.
func (t *tree) resolve(fragment string) (i int32, missing string) {
	if f, err := url.PathUnescape(fragment); err == nil {
		fragment = f
	}
	if fragment == "" {
		return 0, ""
	}
	if fragment[0] != '/' {
		return none, fragment
	}
	i = 0
	for rest, more := fragment[1:], true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		part = unescapePointer(part)
		next := none
		switch n := t.get(i); n.kind {
		case kindObject:
			next = t.member(i, part)
		case kindArray:
			if at, err := strconv.ParseUint(part, 10, 31); err == nil && (part == "0" || part[0] != '0') {
				next = t.element(i, int(at))
			}
		}
		if next == none {
			return none, part
		}
		i = t.real(next)
	}
	return i, ""
}

var pointerEscapes = strings.NewReplacer("~1", "/", "~0", "~")

func unescapePointer(part string) string {
	if !strings.Contains(part, "~") {
		return part
	}
	return pointerEscapes.Replace(part)
}
