package match

// roots returns the tries to search for a host before that of any host: the exact one, then those of its suffixes,
// the longest first.
//
// The hash of a host goes from its end to its start, so that one pass gives the hash of every suffix.
func (t *Table) roots(host []byte, buf *[MaxHostLabels + 1]uint32) []uint32 {
	host = trimHost(host)
	if len(host) == 0 || len(host) > MaxHost {
		return nil
	}
	at := len(buf) // filled from the end: the pass meets short suffixes first
	h := uint32(fnvOffset)
	for i := len(host) - 1; i >= 0; i-- {
		if c := host[i]; c == '.' && i > 0 && at > 1 {
			if root := t.findHost(t.Wildcards, h, host[i+1:]); root != 0 {
				at--
				buf[at] = root
			}
		}
		h = (h ^ uint32(lower(host[i]))) * fnvPrime
	}
	if root := t.findHost(t.Hosts, h, host); root != 0 {
		at--
		buf[at] = root
	}
	return buf[at:]
}

// findHost is find for hosts: case does not matter.
func (t *Table) findHost(a Ints, hash uint32, host []byte) uint32 {
	lo, hi := 0, len(a)/hashWidth
	end := hi
	for lo < hi {
		mid := (lo + hi) / 2
		if a[mid*hashWidth+hashOff] < hash {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for ; lo < end; lo++ {
		e := a[lo*hashWidth:][:hashWidth]
		if e[hashOff] != hash {
			break
		}
		if off, n := e[hashStr], e[hashStr+1]; equalFold(t.Pool[off:off+n], host) {
			return e[hashChild]
		}
	}
	return 0
}

func hashHost(b []byte) uint32 {
	h := uint32(fnvOffset)
	for i := len(b) - 1; i >= 0; i-- {
		h = (h ^ uint32(lower(b[i]))) * fnvPrime
	}
	return h
}

// equalFold reports whether host is the lower-case text low. Only ASCII letters fold: a host is ASCII.
func equalFold(low, host []byte) bool {
	if len(low) != len(host) {
		return false
	}
	for i, c := range host {
		if lower(c) != low[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// trimHost removes a port (":8080") and the final dot of a fully qualified name. A colon inside brackets or one of
// several without brackets belongs to an IPv6 address.
func trimHost(host []byte) []byte {
	i := len(host)
	for i > 0 && '0' <= host[i-1] && host[i-1] <= '9' {
		i--
	}
	if i > 0 && host[i-1] == ':' {
		bare := host[:i-1]
		colon := false
		for _, c := range bare {
			colon = colon || c == ':'
		}
		if !colon || bare[len(bare)-1] == ']' {
			host = bare
		}
	}
	if n := len(host); n > 0 && host[n-1] == '.' {
		host = host[:n-1]
	}
	return host
}
