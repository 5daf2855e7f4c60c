package lsp

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheServerEndsWithAnEvaluationThatCannotBeStopped(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "gateway.cue"), []byte("package gateway\n\ngateway: listeners: main: address: \"127.0.0.1:8080\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := &server{
		options: Options{Now: time.Now, Log: t.Logf}, ctx: t.Context(), sender: &sender{w: &out}, queue: make(chan incoming),
		built: make(chan *built, 1), pending: map[string]bool{}, sessions: map[string]*session{}, buffers: map[string]*buffer{},
	}
	x := s.session(root)
	result, err := x.compile(t.Context(), nil, "", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	result.Units.Runaway = true
	s.building = 1
	s.built <- &built{session: x, result: result}
	if err := s.loop(); !errors.Is(err, ErrRunaway) {
		t.Errorf("the server ended with %v", err)
	}
	_, body, _ := strings.Cut(out.String(), "\r\n\r\n")
	var m struct {
		Method string
		Params struct{ Message string }
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Method != "window/showMessage" || !strings.Contains(m.Params.Message, ErrRunaway.Error()) {
		t.Errorf("the client got %q: %v", out.String(), err)
	}
}
