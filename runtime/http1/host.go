package http1

import "bytes"

// hostChar holds the characters of a reg-name (RFC 3986 §3.2.2) but "%", since no host name needs it and only some
// readers decode it, and ",", which shows that somebody on the way joined two Host fields into one.
var hostChar = func() (t [256]bool) {
	for _, c := range []byte("-._~!$&'()*+;=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// validHost tells whether b is uri-host [":" port] (RFC 9110 §7.2): not empty, no user information, a port of 1 to 5
// digits up to 65535 if there is a colon, and in brackets an IPv6 address without a zone.
func validHost(b []byte) bool {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || !validIPv6(b[1:end]) {
			return false
		}
		i = end + 1
	} else {
		for i < len(b) && hostChar[b[i]] {
			i++
		}
		if i == 0 {
			return false
		}
	}
	if i == len(b) {
		return true
	}
	if b[i] != ':' || len(b)-i < 2 || len(b)-i > 6 {
		return false
	}
	port := 0
	for _, c := range b[i+1:] {
		if c < '0' || c > '9' {
			return false
		}
		port = port*10 + int(c-'0')
	}
	return port <= 65535
}

// validIPv6 tells whether b is an IPv6address (RFC 3986 §3.2.2): eight groups of 1 to 4 hex digits, at most one "::",
// the last two groups possibly as an IPv4 address.
func validIPv6(b []byte) bool {
	groups, gap, i := 0, false, 0
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, i = true, 2
	}
	for i < len(b) {
		n := 0
		for i+n < len(b) && n < 5 && hexDigit[b[i+n]] >= 0 {
			n++
		}
		if i+n < len(b) && b[i+n] == '.' {
			if !validIPv4(b[i:]) {
				return false
			}
			groups += 2
			break
		}
		if n == 0 || n > 4 {
			return false
		}
		groups++
		if i += n; i == len(b) {
			break
		}
		if b[i] != ':' {
			return false
		}
		if i++; i == len(b) {
			return false
		}
		if b[i] == ':' {
			if gap {
				return false
			}
			gap, i = true, i+1
		}
	}
	return groups == 8 || gap && groups < 8
}

// validIPv4 tells whether b is four decimal octets without leading zeros.
func validIPv4(b []byte) bool {
	for octet := range 4 {
		n, v := 0, 0
		for n < len(b) && n < 4 && '0' <= b[n] && b[n] <= '9' {
			v = v*10 + int(b[n]-'0')
			n++
		}
		if n == 0 || v > 255 || n > 1 && b[0] == '0' {
			return false
		}
		if b = b[n:]; octet < 3 {
			if len(b) == 0 || b[0] != '.' {
				return false
			}
			b = b[1:]
		}
	}
	return len(b) == 0
}
