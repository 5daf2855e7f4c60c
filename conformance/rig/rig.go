// Package rig builds and runs the binaries that the conformance suite and the bench judge.
//
// What enters is the text of a configuration repository; what comes out are processes: a gateway that serves the
// artifact built from it, mocks that stand in for providers, and the means to look at them from outside (metrics,
// call records, /proc). The rig knows the gateway only by its command line, its ports and its files: it imports
// nothing of the product, so that what it finds is what a user would find. An in-process gateway was refused for the
// same reason, and because file descriptors, memory and signals are a process's.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Binaries is where gwc and gwcd are.
type Binaries struct{ GWC, GWCD string }

// Find returns the binaries in the folder $GWC_BIN, or builds them from the sources beside this module into dir. Building is
// the default because a suite that judges yesterday's binaries is worse than none; the build cache makes it cheap.
func Find(dir string) (Binaries, error) {
	if bin := os.Getenv("GWC_BIN"); bin != "" {
		bin, err := filepath.Abs(bin)
		if err != nil {
			return Binaries{}, err
		}
		b := Binaries{filepath.Join(bin, "gwc"), filepath.Join(bin, "gwcd")}
		for _, f := range []string{b.GWC, b.GWCD} {
			if _, err := os.Stat(f); err != nil {
				return Binaries{}, fmt.Errorf("GWC_BIN: %w", err)
			}
		}
		return b, nil
	}
	root, err := productRoot()
	if err != nil {
		return Binaries{}, err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", dir+string(filepath.Separator), "./cmd/gwc", "./cmd/gwcd")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return Binaries{}, fmt.Errorf("building the binaries: %w\n%s", err, out)
	}
	return Binaries{filepath.Join(dir, "gwc"), filepath.Join(dir, "gwcd")}, nil
}

// productRoot is the folder above the one that holds this module's go.mod.
func productRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(b, []byte("module github.com/gwc-dev/gwc/conformance\n")) {
			return filepath.Dir(dir), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("not inside the conformance module")
		}
		dir = up
	}
}

// Repo is a configuration repository: file contents by path.
type Repo map[string]string

// Write puts the repository into dir, with a module file where it has none.
func (r Repo) Write(dir string) error {
	put := func(name, text string) error {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		return os.WriteFile(name, []byte(text), 0o644)
	}
	if _, ok := r["cue.mod/module.cue"]; !ok {
		if err := put("cue.mod/module.cue", "module: \"example.com/conformance@v0\"\nlanguage: version: \"v0.17.0\"\n"); err != nil {
			return err
		}
	}
	for name, text := range r {
		if err := put(name, text); err != nil {
			return err
		}
	}
	return nil
}

// Build runs `gwc build` on the repository in dir, writing the artifact to file.
func (b Binaries) Build(ctx context.Context, dir, file string) error {
	out, err := exec.CommandContext(ctx, b.GWC, "build", "-C", dir, "-o", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("gwc build: %w\n%s", err, out)
	}
	return nil
}

// FreePort returns a port of 127.0.0.1 that was free a moment ago.
func FreePort() int {
	// Below the range that the kernel gives to outgoing connections: one of those would take the port before its
	// server does.
	for range 1000 {
		port := 10_000 + rand.IntN(22_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	panic("no free port: nothing can be tested on this machine")
}

// Process is a running program. Its output is kept, the last 256 KB of it.
type Process struct {
	cmd    *exec.Cmd
	out    tail
	exited chan struct{}
	err    error
}

// Start runs a program with env added to the environment, pinned to the given CPUs ("0", "0,1") if cpus is not empty.
func Start(cpus string, env []string, name string, args ...string) (*Process, error) {
	if cpus != "" {
		args = append([]string{"-c", cpus, name}, args...)
		name = "taskset"
	}
	p := &Process{cmd: exec.Command(name, args...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	// The process dies with its parent, even when that is killed.
	p.cmd.SysProcAttr = dieWithParent()
	// Linux means the thread that started it, which the Go runtime ends when a goroutine locked to it returns: the
	// thread is therefore held for as long as the process runs.
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is what it printed.
func (p *Process) Output() string { return p.out.String() }

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Exited is closed when the process has ended; then Err says how.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err is the process's error; it may be read once Exited is closed.
func (p *Process) Err() error { return p.err }

// Stop asks the process to end, and kills it after ten seconds.
func (p *Process) Stop() {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// Kill ends the process at once.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// await polls url until it answers 200.
func (p *Process) await(url string, limit time.Duration) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.Now().Add(limit)
	for {
		resp, err := client.Get(url)
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended before it was ready: %w\n%s", filepath.Base(p.cmd.Path), p.err, p.Output())
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s was not ready after %v: %w\n%s", filepath.Base(p.cmd.Path), limit, err, p.Output())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// tail is a writer that keeps the end of what is written.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if n := len(t.b) - 256<<10; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
