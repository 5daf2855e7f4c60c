package http1_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// llhttpDeviations lists each strict case of the corpus that llhttp takes and gwc refuses, with the reason. There is no
// case the other way round. The test fails on a deviation that is not listed and on a listed one that is none.
var llhttpDeviations = map[string]string{
	// Protocols other than HTTP/1.0 and 1.1.
	"request/method.md: SOURCE request with ICE":    "ICE is not HTTP",
	"request/method.md: OPTIONS request with RTSP":  "RTSP is not HTTP",
	"request/method.md: ANNOUNCE request with RTSP": "RTSP is not HTTP",
	"request/method.md: PRI request HTTP2":          "PRI is no method but the preface of HTTP/2",
	"request/sample.md: No HTTP version":            "HTTP/0.9 has no fields and no framing",
	"response/sample.md: RTSP response":             "RTSP is not HTTP",
	"response/sample.md: ICE response":              "ICE is not HTTP",
	"response/sample.md: HTTP version 0.9":          "HTTP/0.9 has no status line",
	// Transfer codings: only one that gwc can decode may stand between it and the payload (RFC 9112 §6.1).
	"request/transfer-encoding.md: POST with `chunked` as last transfer-encoding":                         "a fragment in the target, and a coding that gwc cannot decode",
	"request/transfer-encoding.md: POST with `chunked` as last transfer-encoding (multiple headers)":      "a fragment in the target, and a coding that gwc cannot decode",
	"response/transfer-encoding.md: `chunked` before other transfer-encoding":                             "chunked is not last: readers differ between chunks and until close",
	"response/transfer-encoding.md: multiple transfer-encoding where chunked is not the last one":         "chunked is not last: readers differ between chunks and until close",
	"response/transfer-encoding.md: `chunkedchunked` transfer-encoding does not enable chunked enconding": "an unknown coding: readers differ between chunks and until close",
	// Targets.
	"request/uri.md: Fragment in URI":            "RFC 9112 §3.2 has no fragment in a target; readers differ between path and cut",
	"request/uri.md: `host:port` and basic auth": "RFC 9110 §4.2.4: user information in a target is an error",
}

// maxDeviations is how many deviations are acceptable.
const maxDeviations = 15

// llhttpCase is one case of llhttp's markdown files.
type llhttpCase struct {
	name  string // "request/sample.md: curl GET"
	kind  string // "request", "response", with "-finish" or "-lenient-…" after it
	input []byte
	want  []message // what the log says, as far as it goes
	err   int       // the error code in the log, 0 for none
	skip  bool      // llhttp is told by its caller that no body follows
}

// message is what a parser made of one message.
type message struct {
	Method, Target string
	Status         int
	Fields         []string
	Body           string
	Complete       bool

	headed bool // in llhttp's log: the head is complete
}

var (
	llhttpHeading = regexp.MustCompile(`^#+ (.*)`)
	llhttpMeta    = regexp.MustCompile(`^<!--\s*meta=.*"type":\s*"([^"]*)"`)
	llhttpSpan    = regexp.MustCompile(`^off=\d+ len=\d+ span\[([a-z_]+)\]=(.*)$`)
	llhttpStatus  = regexp.MustCompile(`headers complete (?:status=(\d+))?`)
	llhttpError   = regexp.MustCompile(`error code=(\d+)`)
	llhttpEscaped = regexp.MustCompile(`\\(\r\n|\r|\n)`)
	llhttpNewline = regexp.MustCompile(`\r\n|\r|\n`)
	llhttpHex     = regexp.MustCompile(`\\x([0-9a-fA-F]+)`)
	llhttpOctal   = regexp.MustCompile(`\\([0-7]{1,3})`)
)

// llhttpInput turns the text of a fenced block into the bytes that llhttp's own runner feeds: the last line end goes, a
// backslash at a line's end joins lines, line ends become CRLF, then escapes are replaced.
func llhttpInput(text string) []byte {
	text = strings.TrimSuffix(text, "\n")
	text = llhttpEscaped.ReplaceAllString(text, "")
	text = llhttpNewline.ReplaceAllString(text, "\r\n")
	text = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t", `\f`, "\f").Replace(text)
	number := func(re *regexp.Regexp, base int) {
		text = re.ReplaceAllStringFunc(text, func(s string) string {
			v, err := strconv.ParseInt(re.FindStringSubmatch(s)[1], base, 32)
			if err != nil {
				return s
			}
			return string(rune(v))
		})
	}
	number(llhttpHex, 16)
	number(llhttpOctal, 8)
	return []byte(text)
}

// llhttpWant reads the events of a log.
func llhttpWant(log string) (messages []message, code int) {
	at := -1
	inHead := false
	text := func(s string) string {
		switch s {
		case "cr":
			return "\r"
		case "lf":
			return "\n"
		}
		s = strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
		return strings.NewReplacer(`\t`, "\t", `\f`, "\f").Replace(s)
	}
	pending := ""
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if m := llhttpError.FindStringSubmatch(line); m != nil {
			code, _ = strconv.Atoi(m[1])
		}
		if strings.HasSuffix(line, " message begin") {
			messages = append(messages, message{})
			at, inHead = len(messages)-1, true
		}
		if at < 0 {
			continue
		}
		m := &messages[at]
		if s := llhttpSpan.FindStringSubmatch(line); s != nil {
			switch s[1] {
			case "method":
				m.Method += text(s[2])
			case "url":
				m.Target += text(s[2])
			case "body":
				m.Body += text(s[2])
			case "header_field":
				if inHead {
					pending += text(s[2])
				}
			case "header_value":
				if inHead && pending != "" {
					m.Fields = append(m.Fields, pending+": ")
					pending = ""
				}
				if inHead {
					m.Fields[len(m.Fields)-1] += text(s[2])
				}
			}
		}
		if s := llhttpStatus.FindStringSubmatch(line); s != nil {
			inHead, m.headed = false, true
			m.Status, _ = strconv.Atoi(s[1])
			for i, f := range m.Fields {
				name, value, _ := strings.Cut(f, ":")
				m.Fields[i] = name + ": " + strings.Trim(value, " \t")
			}
		}
		if strings.HasSuffix(line, " message complete") {
			m.Complete = true
		}
	}
	return messages, code
}

// readLLHTTP reads all cases below dir.
func readLLHTTP(t *testing.T, dir string) (cases []llhttpCase) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in GWC_CORPORA: %v", err)
	}
	seen := map[string]int{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c llhttpCase
		fence, heading, text := "", "", ""
		for line := range strings.Lines(string(raw)) {
			switch {
			case fence == "" && strings.HasPrefix(line, "```"):
				fence, text = strings.TrimSpace(line[3:]), ""
			case fence != "" && strings.HasPrefix(line, "```"):
				switch fence {
				case "http":
					c.input = llhttpInput(text)
				case "log":
					c.want, c.err = llhttpWant(text)
					c.name = filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file) + ": " + heading
					if seen[c.name]++; seen[c.name] > 1 {
						c.name += fmt.Sprintf(" (%d)", seen[c.name])
					}
					cases = append(cases, c)
				}
				fence = ""
			case fence != "":
				text += line
			default:
				if m := llhttpHeading.FindStringSubmatch(line); m != nil {
					heading = m[1]
				}
				if m := llhttpMeta.FindStringSubmatch(line); m != nil {
					c = llhttpCase{kind: m[1], skip: strings.Contains(line, `"skipBody": true`)}
				}
			}
		}
	}
	return cases
}

// messageOf copies a head.
func messageOf(h *http1.Head, complete bool) message {
	m := message{Method: string(h.Method), Target: string(h.Target), Status: h.Status, Complete: complete}
	for _, f := range h.Fields {
		m.Fields = append(m.Fields, string(f.Name)+": "+string(f.Value))
	}
	return m
}

// hostless is where a message begins that was refused for nothing but its missing Host.
type hostless int

// read takes raw as all that a connection brings, step bytes at a time (0: at once; negative: that
// many first, then the rest), and returns the messages. The
// error is the codec's, or says that data came after a message that ends the connection. Reading ends without an error
// where a connection changes its protocol.
//
// noBody says that whatever the heads say no body follows, as after a request with HEAD.
func read(raw []byte, response, noBody bool, step int) (messages []message, noHost hostless, failure error) {
	var h http1.Head
	var x http1.Body
	limits := http1.Limits{}
	have, at := 0, 0
	more := func() bool {
		switch {
		case have == len(raw):
			return false
		case step > 0:
			have = min(len(raw), have+step)
		case have < -step:
			have = min(len(raw), -step)
		default:
			have = len(raw)
		}
		return true
	}
	for {
		var n int
		var err *http1.Error
		for {
			// Each call gets a copy, so that nothing can be kept from an earlier one.
			b := bytes.Clone(raw[at:have])
			if response {
				n, err = h.ParseResponse(b, limits)
			} else {
				n, err = h.ParseRequest(b, limits)
			}
			if n > 0 || err != nil || !more() {
				break
			}
		}
		if n > 0 && err != nil && string(h.Method) == "CONNECT" && err.Status == 501 {
			// As llhttp, the codec reads the head and leaves what follows to its caller.
			return append(messages, messageOf(&h, true)), -1, nil
		}
		if err != nil {
			if err.Reason == "no Host field" {
				noHost = hostless(at)
				return messages, noHost, err
			}
			return messages, -1, err
		}
		if n == 0 {
			return messages, -1, nil
		}
		at += n
		m := messageOf(&h, false)
		if response {
			if err := x.Response(&h, noBody); err != nil {
				return messages, -1, err
			}
		} else if !noBody {
			x.Request(&h)
		}
		var payload []byte
		for !x.Done() {
			data, n, err := x.Next(raw[at:have])
			if err != nil {
				return append(messages, m), -1, err
			}
			payload = append(payload, data...)
			at += n
			if n == 0 && !more() {
				break
			}
		}
		m.Body, m.Complete = string(payload), x.Done()
		messages = append(messages, m)
		switch {
		case !m.Complete:
			return messages, -1, nil
		case h.Status == 101, !response && h.HasUpgrade:
			return messages, -1, nil
		case h.Close:
			if len(bytes.Trim(raw[at:], "\r\n")) > 0 {
				return messages, -1, fmt.Errorf("data after the last message of the connection")
			}
			return messages, -1, nil
		}
	}
}

// withHosts returns raw with a Host field in each request that is refused for nothing else, and how many it added.
func withHosts(raw []byte, noBody bool) ([]byte, int) {
	for added := 0; ; added++ {
		_, at, _ := read(raw, false, noBody, 0)
		if at < 0 {
			return raw, added
		}
		line := raw[at:]
		skip := len(line) - len(bytes.TrimLeft(line, "\r\n"))
		end := int(at) + skip + bytes.Index(line[skip:], []byte("\r\n")) + 2
		raw = slices.Concat(raw[:end], []byte("Host: added.test\r\n"), raw[end:])
	}
}

// TestLLHTTP judges the codec by llhttp's own cases: what its strict mode refuses must be refused, what it takes must
// be taken and mean the same, but for llhttpDeviations. Cases of llhttp's lenient modes must be refused where even
// those refuse. Each case is read whole, a few bytes at a time, and
// in two parts cut at every byte, with the same outcome.
//
// llhttp leaves the check of Host to its caller, so many of its requests have none. They are refused as they stand; to
// judge the rest of them, they are read with one added.
func TestLLHTTP(t *testing.T) {
	dir := os.Getenv("GWC_CORPORA")
	if dir == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	cases := readLLHTTP(t, filepath.Join(dir, "http", "llhttp", "test"))
	count := map[string]int{}
	deviating := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			response := strings.HasPrefix(c.kind, "response")
			lenient := strings.Contains(c.kind, "lenient")
			raw := c.input
			if !response {
				added := 0
				if raw, added = withHosts(c.input, c.skip); added > 0 {
					count["judged with a Host added"]++
				}
			}
			got, _, failure := read(raw, response, c.skip, 0)
			steps := []int{1, 2, 3, 7, 64}
			for cut := 1; cut < len(raw); cut++ {
				steps = append(steps, -cut)
			}
			for _, step := range steps {
				again, _, failed := read(raw, response, c.skip, step)
				if (failed == nil) != (failure == nil) {
					t.Errorf("whole: %v, in parts (%d): %v", failure, step, failed)
				}
				if failure == nil {
					if diff := cmp.Diff(got, again, cmpopts.IgnoreUnexported(message{})); diff != "" {
						t.Errorf("in parts (%d), mismatch (-whole +parts):\n%s", step, diff)
					}
				}
			}
			// 21 to 23 are no errors: llhttp hands over to its caller (paused, another protocol, HTTP/2).
			invalid := c.err != 0 && (c.err < 21 || c.err > 23)
			switch {
			case lenient && invalid && failure == nil:
				t.Errorf("taken, though llhttp refuses it (code %d) even when lenient", c.err)
			case lenient:
				count["lenient"]++
			case invalid && failure == nil:
				t.Errorf("taken, though llhttp refuses it (code %d)\n%q", c.err, raw)
			case invalid:
				count["strict, refused by both"]++
			case failure != nil:
				deviating[c.name] = true
				if llhttpDeviations[c.name] == "" {
					t.Errorf("refused (%v), though llhttp takes it, and not listed\n%q", failure, raw)
				}
			default:
				count["strict, taken by both"]++
				compareWithLog(t, c, got)
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(llhttpDeviations)) {
		if !deviating[name] {
			t.Errorf("%s: listed as a deviation and is none", name)
		}
		t.Logf("deviation: %s: %s", name, llhttpDeviations[name])
	}
	if len(llhttpDeviations) > maxDeviations {
		t.Errorf("%d deviations, at most %d are acceptable", len(llhttpDeviations), maxDeviations)
	}
	t.Logf("%d cases: %d strict ones taken by both, %d refused by both, %d deviations (stricter), %d lenient ones; %d read with a Host added",
		len(cases), count["strict, taken by both"], count["strict, refused by both"], len(deviating), count["lenient"], count["judged with a Host added"])
	if len(cases) != 251 {
		t.Errorf("%d cases, the corpus has 251", len(cases))
	}
}

// compareWithLog compares the messages that were read with llhttp's events, as far as they are told apart by nothing
// but what gwc does on purpose: a Host may have been added, zeros before a Content-Length are dropped, and a head that
// is incomplete is nothing yet.
func compareWithLog(t *testing.T, c llhttpCase, got []message) {
	t.Helper()
	want := slices.DeleteFunc(slices.Clone(c.want), func(m message) bool { return !m.headed })
	for i := range want {
		for j, f := range want[i].Fields {
			if v, ok := strings.CutPrefix(f, "Content-Length: 0"); ok && v != "" {
				want[i].Fields[j] = "Content-Length: " + strings.TrimLeft(v, "0")
			}
		}
	}
	isHost := func(f string) bool { return strings.HasPrefix(strings.ToLower(f), "host:") }
	for i := range got {
		if i < len(want) && !slices.ContainsFunc(want[i].Fields, isHost) {
			got[i].Fields = slices.DeleteFunc(got[i].Fields, isHost)
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(message{})); diff != "" {
		t.Errorf("mismatch with llhttp's events (-want +got):\n%s", diff)
	}
}
