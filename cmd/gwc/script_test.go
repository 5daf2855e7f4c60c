package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gwc": main})
}

// TestScripts runs the archives of testdata/script, one for each command. GWC_UPDATE=1 rewrites their goldens.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("GWC_UPDATE") != "",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "")
			e.Setenv("TERM", "xterm")
			e.Setenv("GWC_CACHE", filepath.Join(e.WorkDir, ".cache"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"freeport": freeport,
			"answers":  answers,
			"damage":   damage,
			"stamp":    stamp,
			"mask":     mask,
		},
	})
}

// exits runs a command and holds that it ends with a code: exits CODE COMMAND ARGS…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var e *exec.ExitError
	if errors.As(err, &e) {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("the exit code is %d, want %d", got, want)
	}
}

// freeport puts a free local address into a variable: freeport NAME
func freeport(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// answers waits until a URL answers with a status: answers STATUS URL
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answers STATUS URL")
	}
	last := ""
	for range 500 {
		resp, err := http.Get(args[1])
		if err == nil {
			resp.Body.Close()
			if last = strconv.Itoa(resp.StatusCode); last == args[0] {
				return
			}
		} else {
			last = err.Error()
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s does not answer with %s: %s", args[1], args[0], last)
}

// damage writes a changed copy of a file: damage FROM TO cut|flip|future
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: damage FROM TO cut|flip|future")
	}
	b := []byte(ts.ReadFile(args[0]))
	switch args[2] {
	case "cut":
		b = b[:len(b)/2]
	case "flip":
		b[len(b)/2] ^= 4
	case "future":
		b[5] = 9
	default:
		ts.Fatalf("unknown damage %q", args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// stamp lists what is in a folder, with sizes, so that two lists can be compared: stamp FOLDER FILE
func stamp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: stamp FOLDER FILE")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	list := ""
	for _, e := range entries {
		list += fmt.Sprintln(filepath.Base(e.Name()))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(list), 0o600))
}

// mask copies a file, or stdout or stderr, without what changes with the language or the machine: digests, sizes and
// durations: mask FROM TO
func mask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mask FROM TO")
	}
	text := ts.ReadFile(args[0])
	text = regexp.MustCompile(`sha256:[0-9a-f]{64}`).ReplaceAllString(text, "sha256:DIGEST")
	text = regexp.MustCompile(`\d+ (bytes|ms)`).ReplaceAllString(text, "N $1")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}
