package meter

import (
	"strconv"
	"time"
)

// The response fields are those of draft-ietf-httpapi-ratelimit-headers-11 (May 2026): structured fields (RFC 9651),
//
//	RateLimit-Policy: "1s";q=100;w=1, "1h";q=1000;w=3600
//	RateLimit: "1h";r=994;t=22
//
// with one policy per limit, named by its window, and the limit that matters for this answer: r requests may follow
// at once, and t seconds bring back all that was used (or after a refusal, the next one). The fields
// RateLimit-Limit, -Remaining and -Reset of the draft's versions up to 06 are what most clients in use read. They are
// sent with refusals only: there they help, and an answer that passes should not pay for both forms. X-RateLimit-*
// was refused: its reset has three meanings in the field.

// describe computes the texts that do not change from answer to answer.
func (l *Limiter) describe() {
	var b []byte
	seen := map[string]int{}
	for i := range l.limits {
		lim := &l.limits[i]
		name := window(lim.limit.Per)
		if seen[name]++; seen[name] > 1 {
			name += "-" + strconv.Itoa(seen[name])
		}
		lim.name = `"` + ascii(name) + `"`
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, lim.name...)
		b = append(b, ";q="...)
		b = strconv.AppendInt(b, lim.limit.Requests, 10)
		if lim.limit.Per%time.Second == 0 { // w has no fractions; without it the window is the server's own
			b = append(b, ";w="...)
			b = strconv.AppendInt(b, int64(lim.limit.Per/time.Second), 10)
		}
	}
	l.policy = string(b)
}

// ascii replaces the µ of "1µs", which a structured field's string cannot hold.
func ascii(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r == 'µ' {
			r = 'u'
		}
		b = append(b, byte(r))
	}
	return string(b)
}

// Policy is the value of the field RateLimit-Policy; empty if there are no limits, and then the field is left out.
func (l *Limiter) Policy() string {
	if l == nil {
		return ""
	}
	return l.policy
}

// AppendRateLimit appends the value of the field RateLimit, or nothing if the app has no limits. No allocation if b
// has room.
func (r *Result) AppendRateLimit(b []byte) []byte {
	if r.limiter == nil {
		return b
	}
	b = append(b, r.limiter.limits[r.i].name...)
	b = append(b, ";r="...)
	b = strconv.AppendInt(b, r.Remaining, 10)
	b = append(b, ";t="...)
	return strconv.AppendInt(b, r.seconds(), 10)
}

// seconds is what RateLimit's t and RateLimit-Reset say: the wait of a refused request, else when all is back.
func (r *Result) seconds() int64 {
	if !r.Allowed {
		return seconds(r.RetryAfter)
	}
	return seconds(r.Reset)
}

// seconds rounds up, so that a client that obeys does not come too early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// RetryAfterSeconds is the value of Retry-After (RFC 9110 §10.2.3) of a refused request: at least 1.
func (r *Result) RetryAfterSeconds() int64 { return max(seconds(r.RetryAfter), 1) }

// AppendFields appends the lines of all fields, each ended by CR LF: RateLimit-Policy and RateLimit, and for a refusal
// also Retry-After and the older three. Nothing if the app has no limits. No allocation if b has room; 256 bytes are
// enough for two limits.
func (r *Result) AppendFields(b []byte) []byte {
	if r.limiter == nil {
		return b
	}
	b = append(b, "RateLimit-Policy: "...)
	b = append(b, r.limiter.policy...)
	b = append(b, "\r\nRateLimit: "...)
	b = r.AppendRateLimit(b)
	if !r.Allowed {
		b = append(b, "\r\nRateLimit-Limit: "...)
		b = strconv.AppendInt(b, r.Limit.Requests, 10)
		b = append(b, "\r\nRateLimit-Remaining: "...)
		b = strconv.AppendInt(b, r.Remaining, 10)
		b = append(b, "\r\nRateLimit-Reset: "...)
		b = strconv.AppendInt(b, r.seconds(), 10)
		b = append(b, "\r\nRetry-After: "...)
		b = strconv.AppendInt(b, r.RetryAfterSeconds(), 10)
	}
	return append(b, "\r\n"...)
}
