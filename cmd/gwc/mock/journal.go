package mock

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Stats is what GET /mock/stats answers: counts since the start, except Active and Connections, which are now.
type Stats struct {
	Requests    int            `json:"requests"`    // that arrived
	Active      int            `json:"active"`      // being answered
	Completed   int            `json:"completed"`   // answered to the end
	Aborted     int            `json:"aborted"`     // not answered to the end: the client went away, or a fault
	ClientGone  int            `json:"client_gone"` // of the aborted, those whose client went away first
	Streams     int            `json:"streams"`
	Faults      int            `json:"faults"`
	Connections int            `json:"connections"`
	Accepted    int            `json:"accepted"` // connections
	Paths       map[string]int `json:"paths"`    // requests by method and path, at most 100 of them
}

// Seen is one request as GET /mock/requests answers it, oldest first. Values of credential headers are replaced by
// "sha256:" and the hash of the whole value.
type Seen struct {
	Method     string      `json:"method"`
	Target     string      `json:"target"`
	Host       string      `json:"host"`
	Proto      string      `json:"proto"`
	Header     http.Header `json:"header"`
	Trailer    http.Header `json:"trailer,omitempty"`
	BodyBytes  int         `json:"body_bytes"`
	BodySHA256 string      `json:"body_sha256"`
	Body       string      `json:"body"` // its first 64 KB
}

const (
	keepRequests = 64
	keepBody     = 64 << 10
	keepPaths    = 100
)

// journal counts, and remembers the last requests. Its zero value is ready.
type journal struct {
	mu    sync.Mutex
	stats Stats
	seen  []Seen
}

func (j *journal) begin(r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Requests++
	j.stats.Active++
	if j.stats.Paths == nil {
		j.stats.Paths = map[string]int{}
	}
	name := r.Method + " " + r.URL.Path
	if _, known := j.stats.Paths[name]; known || len(j.stats.Paths) < keepPaths {
		j.stats.Paths[name]++
	}
}

func (j *journal) end(r *http.Request, finished bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Active--
	if finished {
		j.stats.Completed++
		return
	}
	j.stats.Aborted++
	if r.Context().Err() != nil {
		j.stats.ClientGone++
	}
}

func (j *journal) body(r *http.Request, body []byte) {
	sum := sha256.Sum256(body)
	s := Seen{
		Method: r.Method, Target: r.RequestURI, Host: r.Host, Proto: r.Proto, Header: r.Header.Clone(), Trailer: r.Trailer.Clone(),
		BodyBytes: len(body), BodySHA256: hex.EncodeToString(sum[:]), Body: string(body[:min(len(body), keepBody)]),
	}
	hideCredentials(s.Header)
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.seen) == keepRequests {
		j.seen = append(j.seen[:0], j.seen[1:]...)
	}
	j.seen = append(j.seen, s)
}

// hideCredentials replaces the values of credential headers by their hashes: a test can still compare them, and
// nobody reads a key out of a mock that was left running.
func hideCredentials(h http.Header) {
	for _, name := range []string{"Authorization", "Proxy-Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key", "Cookie"} {
		for i, v := range h[name] {
			sum := sha256.Sum256([]byte(v))
			h[name][i] = "sha256:" + hex.EncodeToString(sum[:])
		}
	}
}

func (j *journal) fault() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Faults++
}

func (j *journal) stream() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Streams++
}

func (j *journal) connState(_ net.Conn, s http.ConnState) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch s {
	case http.StateNew:
		j.stats.Accepted++
		j.stats.Connections++
	case http.StateClosed, http.StateHijacked:
		j.stats.Connections--
	}
}

func (h *Handler) stats(w http.ResponseWriter, _ *http.Request) {
	h.journal.mu.Lock()
	b, err := json.Marshal(h.journal.stats, json.Deterministic(true))
	h.journal.mu.Unlock()
	control(w, b, err)
}

// requests answers the last requests, or with ?last=N the last N of them.
func (h *Handler) requests(w http.ResponseWriter, r *http.Request) {
	h.journal.mu.Lock()
	seen := h.journal.seen
	if n, err := strconv.Atoi(r.URL.Query().Get("last")); err == nil && n >= 0 && n < len(seen) {
		seen = seen[len(seen)-n:]
	}
	b, err := json.Marshal(seen, json.Deterministic(true))
	h.journal.mu.Unlock()
	control(w, b, err)
}

// putFault replaces the faults in force by those of the body, one a line; DELETE clears them.
func (h *Handler) putFault(w http.ResponseWriter, r *http.Request) {
	var list faultList
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<10))
	if err == nil && r.Method == http.MethodPut {
		for _, line := range lines(string(body)) {
			if err = list.Set(line); err != nil {
				break
			}
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.faults.set(list)
	w.WriteHeader(http.StatusNoContent)
}

func control(w http.ResponseWriter, b []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.Write(append(b, '\n'))
}
