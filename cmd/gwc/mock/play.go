package mock

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// player writes one answer, in the way that its fault demands. All that endpoints know is respond and stream.
type player struct {
	w       http.ResponseWriter
	r       *http.Request
	o       *Options
	fault   Fault
	dialect dialect
	id      string
	// mediaType is that of the answer, where it is not the dialect's.
	mediaType string
	journal   *journal
}

// open reads the request body. It is false when the request could not be read, and then answered where possible.
func (p *player) open() ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(p.w, p.r.Body, maxBody))
	if err == nil {
		p.journal.body(p.r, body)
		return body, true
	}
	if _, big := err.(*http.MaxBytesError); big {
		p.refuse(&refusal{status: 413, typ: "request_too_large", message: "Request exceeds the maximum size"})
	}
	return nil, false
}

// run answers with bad if it is set, else with the fault's early answer, else with the endpoint's.
func (p *player) run(bad *refusal, body []byte, endpoint func(*player, []byte) *refusal) {
	done := false
	if bad == nil {
		bad, done = p.early()
	}
	if bad == nil && !done {
		bad = endpoint(p, body)
	}
	if bad != nil {
		p.refuse(bad)
	}
}

// early waits for the latency and acts for the faults that leave no answer or another one. It is true when nothing
// is left to do.
func (p *player) early() (bad *refusal, done bool) {
	if !p.pause(p.o.Latency) {
		p.end()
	}
	if p.fault.Kind != "" {
		p.journal.fault()
	}
	switch p.fault.Kind {
	case "status":
		return faultRefusal(p.fault.Status), false
	case "timeout":
		<-p.r.Context().Done()
		p.end()
	case "reset", "close":
		conn, _, err := http.NewResponseController(p.w).Hijack()
		if err != nil { // HTTP/2 has no connection to take over; a reset stream is its equal
			p.end()
		}
		if tcp, ok := conn.(*net.TCPConn); ok && p.fault.Kind == "reset" {
			tcp.SetLinger(0)
		}
		conn.Close()
		p.end()
	case "html":
		p.w.Header().Set("Content-Type", "text/html")
		p.w.WriteHeader(502)
		io.WriteString(p.w, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n")
		return nil, true
	}
	return nil, false
}

// faultRefusal is what providers say with a status.
func faultRefusal(status int) *refusal {
	b := &refusal{status: status, typ: "server_error", message: "The server had an error while processing your request. Sorry about that!"}
	switch status {
	case 401:
		b.typ, b.code, b.message = "invalid_request_error", "invalid_api_key", "Incorrect API key provided."
	case 403:
		b.typ, b.code, b.message = "permission_error", "unsupported_country_region_territory", "Country, region, or territory not supported"
	case 404:
		b.typ, b.code, b.message = "not_found_error", "model_not_found", "The model does not exist or you do not have access to it."
	case 429:
		b.typ, b.code, b.retryAfter = "rate_limit_error", "rate_limit_exceeded", "1"
		b.message = "Rate limit reached on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 1s."
	case 503, 529:
		b.typ, b.message, b.retryAfter = "overloaded_error", "Overloaded", "1"
	default:
		if status < 500 {
			b.typ, b.message = "invalid_request_error", "The request was refused: "+http.StatusText(status)
		}
	}
	return b
}

// refuse writes an error in the dialect's shape.
func (p *player) refuse(b *refusal) {
	head := p.w.Header()
	p.dialect.headers(head, p.id, b.status)
	if b.retryAfter != "" {
		head.Set("Retry-After", b.retryAfter)
	}
	body := p.dialect.refuse(b)
	head.Set("Content-Length", strconv.Itoa(len(body)))
	p.w.WriteHeader(b.status)
	p.w.Write(body)
}

// respond writes a whole answer.
func (p *player) respond(status int, body []byte) {
	head := p.w.Header()
	p.dialect.headers(head, p.id, status)
	if p.mediaType != "" {
		head.Set("Content-Type", p.mediaType)
	}
	switch p.fault.Kind {
	case "midstream-error":
		p.refuse(faultRefusal(500))
		return
	case "bad-json":
		body = body[:len(body)*2/3]
	case "empty":
		body = nil
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		head.Set("Content-Length", strconv.Itoa(len(body)))
	}
	p.w.WriteHeader(status)
	if p.r.Method == http.MethodHead {
		return
	}
	switch p.fault.Kind {
	case "truncate", "stall":
		p.write(body[:len(body)/2])
		p.cut()
	default:
		p.write(body)
	}
}

// stream writes events one by one.
func (p *player) stream(events [][]byte) {
	head := p.w.Header()
	p.dialect.headers(head, p.id, 200)
	head.Set("Content-Type", "text/event-stream; charset=utf-8")
	if p.mediaType != "" {
		head.Set("Content-Type", p.mediaType)
	}
	head.Set("Cache-Control", "no-cache")
	p.w.WriteHeader(200)
	p.journal.stream()
	half := len(events) / 2
	for i, event := range events {
		if i > 0 && !p.pause(p.o.ChunkGap) {
			p.end()
		}
		if i == half {
			switch p.fault.Kind {
			case "midstream-error":
				p.write(p.dialect.midstream())
				return
			case "truncate", "stall":
				p.write(event[:len(event)/2])
				p.cut()
			case "bad-json":
				event = append(event[:len(event)*2/3:len(event)*2/3], "\n\n"...)
			}
		}
		if p.fault.Kind == "empty" {
			return
		}
		p.write(event)
	}
}

// cut ends an answer in its middle: at once, or (stall) when the client has had enough.
func (p *player) cut() {
	if p.fault.Kind == "stall" {
		<-p.r.Context().Done()
	}
	p.end()
}

// write sends b now, in small pieces when it should be slow.
func (p *player) write(b []byte) {
	flush := http.NewResponseController(p.w).Flush
	if p.fault.Kind != "slow" {
		if _, err := p.w.Write(b); err != nil {
			p.end()
		}
		if flush() != nil {
			p.end()
		}
		return
	}
	for n := 1; len(b) > 0; n = n%7 + 1 {
		n := min(n, len(b))
		if _, err := p.w.Write(b[:n]); err != nil || flush() != nil || !p.pause(time.Millisecond) {
			p.end()
		}
		b = b[n:]
	}
}

// pause waits, and is false when the client went away meanwhile.
func (p *player) pause(d time.Duration) bool {
	if d <= 0 {
		return p.r.Context().Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.r.Context().Done():
		return false
	}
}

// end leaves the handler without finishing the answer: net/http closes the connection.
func (p *player) end() { panic(http.ErrAbortHandler) }
