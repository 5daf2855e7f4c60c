package mock

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
)

// problem is the "dialect" of the HTTP API: errors are problem details (RFC 9457) and nothing is asked for.
type problem struct{}

func (problem) credential(*http.Request) (string, *refusal) { return "", nil }

func (problem) headers(h http.Header, id string, status int) {
	h.Set("Content-Type", "application/json")
	if status >= 400 {
		h.Set("Content-Type", "application/problem+json")
	}
	h.Set("X-Request-Id", id)
}

func (problem) refuse(b *refusal) []byte {
	return append(mustJSON(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(b.status), b.status, b.message}), '\n')
}

func (problem) midstream() []byte { return nil }

// pet is the resource of the HTTP API.
type pet struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Tag  string `json:"tag,omitempty"`
}

// maxPets bounds the store; a mock that is left running must not grow for ever.
const maxPets = 10_000

// pets is the store behind /pets: in memory, three pets at the start.
type pets struct {
	mu   sync.Mutex
	all  []pet // by id
	next int64
}

func (s *pets) reset() {
	s.all = []pet{{1, "Rex", "dog"}, {2, "Tom", "cat"}, {3, "Goldie", "fish"}}
	s.next = 4
}

// find returns the index of the request's pet, or where no such pet is, its refusal. The caller holds the lock.
func (s *pets) find(p *player) (int, *refusal) {
	word := p.r.PathValue("petId")
	id, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return 0, &refusal{status: 400, message: fmt.Sprintf("petId is %q, expected a number", word)}
	}
	i, found := slices.BinarySearchFunc(s.all, id, func(x pet, id int64) int { return int(x.ID - id) })
	if !found {
		return 0, &refusal{status: 404, message: fmt.Sprintf("there is no pet %d", id)}
	}
	return i, nil
}

func readPet(body []byte) (pet, *refusal) {
	var in pet
	if err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true)); err != nil {
		return pet{}, &refusal{status: 400, message: fmt.Sprintf("the body is not a pet: %v", err)}
	}
	if in.Name == "" {
		return pet{}, &refusal{status: 422, message: "a pet needs a name"}
	}
	return in, nil
}

// list is GET /pets, with ?limit=N (20 when not given, at most 100) and ?tag=T.
func (s *pets) list(p *player, _ []byte) *refusal {
	query := p.r.URL.Query()
	limit := 20
	if word := query.Get("limit"); word != "" {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 100 {
			return &refusal{status: 400, message: fmt.Sprintf("limit is %q, expected a number from 1 to 100", word)}
		}
		limit = n
	}
	out := []pet{}
	s.mu.Lock()
	for _, x := range s.all {
		if tag := query.Get("tag"); len(out) < limit && (tag == "" || x.Tag == tag) {
			out = append(out, x)
		}
	}
	s.mu.Unlock()
	p.respond(200, append(mustJSON(out), '\n'))
	return nil
}

func (s *pets) create(p *player, body []byte) *refusal {
	in, bad := readPet(body)
	if bad != nil {
		return bad
	}
	s.mu.Lock()
	if len(s.all) >= maxPets {
		s.mu.Unlock()
		return &refusal{status: 507, message: "the store is full"}
	}
	in.ID = s.next
	s.next++
	s.all = append(s.all, in)
	s.mu.Unlock()
	p.w.Header().Set("Location", fmt.Sprintf("/pets/%d", in.ID))
	p.respond(201, append(mustJSON(in), '\n'))
	return nil
}

func (s *pets) get(p *player, _ []byte) *refusal {
	s.mu.Lock()
	i, bad := s.find(p)
	if bad != nil {
		s.mu.Unlock()
		return bad
	}
	x := s.all[i]
	s.mu.Unlock()
	p.respond(200, append(mustJSON(x), '\n'))
	return nil
}

func (s *pets) replace(p *player, body []byte) *refusal {
	in, bad := readPet(body)
	if bad != nil {
		return bad
	}
	s.mu.Lock()
	i, bad := s.find(p)
	if bad != nil {
		s.mu.Unlock()
		return bad
	}
	in.ID = s.all[i].ID
	s.all[i] = in
	s.mu.Unlock()
	p.respond(200, append(mustJSON(in), '\n'))
	return nil
}

func (s *pets) remove(p *player, _ []byte) *refusal {
	s.mu.Lock()
	i, bad := s.find(p)
	if bad != nil {
		s.mu.Unlock()
		return bad
	}
	s.all = slices.Delete(s.all, i, i+1)
	s.mu.Unlock()
	p.respond(204, nil)
	return nil
}

// echo answers any method with what arrived. ?status=N sets the status.
func echo(p *player, body []byte) *refusal {
	r := p.r
	status := 200
	if n, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil && n >= 200 && n <= 599 {
		status = n
	}
	header := map[string]string{}
	received := r.Header.Clone()
	hideCredentials(received)
	for name, values := range received {
		header[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	sum := sha256.Sum256(body)
	p.respond(status, append(mustJSON(struct {
		Method    string            `json:"method"`
		Path      string            `json:"path"`
		Query     string            `json:"query,omitempty"`
		Host      string            `json:"host"`
		Header    map[string]string `json:"header"`
		BodyBytes int               `json:"body_bytes"`
		SHA256    string            `json:"sha256"`
		Body      string            `json:"body,omitempty"`
	}{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, header, len(body), hex.EncodeToString(sum[:]), string(body[:min(len(body), 4096)])}), '\n'))
	return nil
}
