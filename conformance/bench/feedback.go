//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// feedback measures `gwc run` as somebody who edits meets it: the time from a saved file to a gateway that serves what
// it says, and from one with a mistake to the end of what is said about it.
func (b *bench) feedback(scenario, repo string, n int) error {
	both, _ := cores(2)
	admin := fmt.Sprintf("127.0.0.1:%d", rig.FreePort())
	listen := fmt.Sprintf("127.0.0.1:%d", rig.FreePort())
	p, err := rig.Start(both, []string{"GWC_CACHE=" + filepath.Join(b.fresh("cache"), "gwc"), "OPENAI_API_KEY=unused"},
		b.bin.GWC, "run", "-C", repo, "--listen", listen, "--admin", admin)
	if err != nil {
		return err
	}
	b.procs = append(b.procs, p)
	defer p.Stop()
	client := http.Client{Timeout: 5 * time.Second}
	// published waits until an API is published at a path: a caller without a key is then told so.
	published := func(path string) error {
		return until(p, func() bool {
			resp, err := client.Get("http://" + listen + path + "/things")
			if err != nil {
				return false
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			return resp.StatusCode == http.StatusUnauthorized
		})
	}
	tenant := n / 20
	file := filepath.Join(repo, companyAPI(tenant, 3))
	text := companyAPIText(tenant, 3, "10s")
	path := fmt.Sprintf("/api-%06d/", 10*tenant+3)
	if err := published(path + "v1"); err != nil {
		return err
	}
	time.Sleep(settled)
	for round := range b.rounds {
		at := fmt.Sprintf("%sr%d", path, round)
		start := time.Now()
		if err := os.WriteFile(file, []byte(strings.Replace(text, path+"v1", at, 1)), 0o644); err != nil {
			return err
		}
		if err := published(at); err != nil {
			return err
		}
		b.add(scenario, "gwc", fmt.Sprintf("run: saved until served, %d APIs", n), "ms", round, float64(time.Since(start).Microseconds())/1e3)

		said := strings.Count(p.Output(), lastGood)
		start = time.Now()
		if err := os.WriteFile(file, []byte(strings.Replace(text, "upstream:", "upstraem:", 1)), 0o644); err != nil {
			return err
		}
		if err := until(p, func() bool { return strings.Count(p.Output(), lastGood) > said }); err != nil {
			return err
		}
		b.add(scenario, "gwc", fmt.Sprintf("run: saved until diagnosed, %d APIs", n), "ms", round, float64(time.Since(start).Microseconds())/1e3)
	}
	return nil
}

// lastGood is the end of what gwc run says of a state that does not build.
const lastGood = "the last good state goes on serving"

// until asks again and again, in steps that are short beside what is measured.
func until(p *rig.Process, ok func() bool) error {
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		select {
		case <-p.Exited():
			return fmt.Errorf("gwc run ended: %w\n%s", p.Err(), p.Output())
		default:
		}
		if time.Now().After(end) {
			return errors.New("gwc run did not follow a file within 20 s\n" + p.Output())
		}
	}
	return nil
}
