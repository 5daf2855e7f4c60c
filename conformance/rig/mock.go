package rig

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Mock is a running `gwc mock`.
type Mock struct {
	*Process
	URL string
}

// MockStats is what GET /mock/stats answers.
type MockStats struct {
	Requests, Active, Completed, Aborted, Streams, Faults, Connections, Accepted int
	ClientGone                                                                   int `json:"client_gone"`
}

// MockRequest is one request that a mock has seen.
type MockRequest struct {
	Method, Target, Host, Proto, Body string
	Header                            http.Header
}

// Mock runs `gwc mock` on a free port.
func (b Binaries) Mock(args ...string) (*Mock, error) {
	addr := fmt.Sprintf("127.0.0.1:%d", FreePort())
	p, err := Start("", nil, b.GWC, append([]string{"mock", "--listen", addr}, args...)...)
	if err != nil {
		return nil, err
	}
	m := &Mock{p, "http://" + addr}
	if err := p.await(m.URL+"/mock/stats", 10*time.Second); err != nil {
		p.Kill()
		return nil, err
	}
	return m, nil
}

// Stats asks for the counts.
func (m *Mock) Stats() (MockStats, error) {
	b, err := get(m.URL + "/mock/stats")
	if err != nil {
		return MockStats{}, err
	}
	var s MockStats
	return s, json.Unmarshal(b, &s)
}

// Requests returns the last n requests, oldest first.
func (m *Mock) Requests(n int) ([]MockRequest, error) {
	b, err := get(fmt.Sprintf("%s/mock/requests?last=%d", m.URL, n))
	if err != nil {
		return nil, err
	}
	var list []MockRequest
	return list, json.Unmarshal(b, &list)
}

// Fault puts faults in force from now on, in place of others, and starts their counts anew. None clears them.
func (m *Mock) Fault(faults ...string) error {
	r, err := http.NewRequest("PUT", m.URL+"/mock/fault", strings.NewReader(strings.Join(faults, "\n")))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("mock fault: %s", resp.Status)
	}
	return nil
}
