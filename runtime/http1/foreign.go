package http1

// This file serves heads that another parser has read (net/http, for HTTP/2 and for TLS upstreams): they are built
// field by field and get the same marks as parsed ones.

// Append adds a field. Values that could not stand in a head are made harmless: a CR, LF or NUL in them becomes a
// space; net/http refuses them anyway.
func (h *Head) Append(name, value string) {
	f := Field{Name: []byte(name), Value: []byte(value)}
	for i, c := range f.Value {
		if c == '\r' || c == '\n' || c == 0 {
			f.Value[i] = ' '
		}
	}
	f.ID = identify(f.Name)
	f.Hop = hop>>f.ID&1 != 0 || f.ID == Other && imitates(f.Name)
	h.has |= 1 << f.ID
	h.Fields = append(h.Fields, f)
}

// MarkHopByHop applies the Connection fields, as parsing does. It comes after the last Append.
func (h *Head) MarkHopByHop() *Error { return h.connection() }

// ValidHost tells whether b is uri-host [":" port] in the strict form that ParseRequest wants.
func ValidHost(b []byte) bool { return validHost(b) }
