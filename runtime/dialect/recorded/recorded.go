// Package recorded gives tests the recorded traffic of real providers: every exchange of the corpora below
// $GWC_CORPORA/recordings, whatever the tool that recorded it, in one form.
//
// What enters are cassettes of go-vcr (fantasy, envoy-ai-gateway) and of the VCRs of Python and Ruby (openllmetry,
// otel-python-contrib, simonw-llm…, ruby-openai), with bodies as text, base64 or gzip; and the fixtures of vercel-ai, one
// decoded event a line, from which the wire form is rebuilt ([Exchange.Rebuilt]). What leaves are [Exchange]s, each
// with the dialect and the operation of its path, and with the reason why it cannot be used if there is one. The
// classification is by host and path alone, never by what a decoder of ours makes of an answer.
//
// Invariants: the order is that of the files' names; the same corpora give the same exchanges; answers are the bytes
// that the provider sent, but for content codings, which are undone. A file is parsed when the first test asks for one of
// its dialects, and only once in a process: all of them take 1.5 s, one dialect far less. Loading everything ahead of
// every test was the alternative.
//
// It is a package of its own so that tests of several packages share it; nothing but tests imports it.
package recorded

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Exchange is one recorded request with its answer. It is shared between tests: nobody changes it.
type Exchange struct {
	Name     string // the file below its corpus' folder, "#" and the number in it, from 0; a fixture has a number if its file holds several
	Corpus   string // the folder below recordings
	Provider string // who answered, by the catalogue's name where it has one: "openai", "amazon-bedrock", …
	Host     string // "" of fixtures
	Path     string // as sent, escapes undone; of fixtures: the usual path of the operation
	Query    string
	Method   string // upper case

	RequestHeader http.Header // nil of fixtures
	Request       string      // "" where the recording has none
	Status        int
	Header        http.Header
	MediaType     string // without parameters
	Answer        string // what the provider sent, content codings undone

	Dialect   string // see [Chat] and the others; "" is a path that no dialect has
	Operation string // see [OpChat] and the others; "" with an empty Dialect
	Stream    Framing
	Rebuilt   bool   // the wire form was rebuilt from decoded events
	Excluded  string // why the exchange cannot be used, "" if it can; an error of the provider can be used
}

// Dialects of exchanges.
const (
	Chat          = "openai-chat"
	Responses     = "openai-responses"
	Completions   = "openai-completions"
	OpenAI        = "openai" // the endpoints that are no conversation: embeddings, images, audio, moderation, models
	Messages      = "anthropic-messages"
	Gemini        = "gemini"
	Converse      = "bedrock-converse"
	BedrockInvoke = "bedrock-invoke" // bodies of the model's own dialect, in frames of AWS where streamed
	Cohere        = "cohere"
	CohereV1      = "cohere-v1"
	Ollama        = "ollama"
)

// Operations of exchanges.
const (
	OpChat       = "chat" // a conversation's next turn, or a text's
	OpEmbed      = "embed"
	OpRerank     = "rerank"
	OpImage      = "image"
	OpAudio      = "audio"
	OpModeration = "moderation"
	OpCount      = "count_tokens"
	OpModels     = "models"
)

// Framing is how the events of a streamed answer are told apart.
type Framing string

const (
	Whole  Framing = ""       // no stream
	SSE    Framing = "sse"    // server-sent events
	Array  Framing = "array"  // a JSON array (Gemini without alt=sse)
	Lines  Framing = "ndjson" // a JSON object on each line
	Frames Framing = "aws"    // frames of AWS event streams
)

// All returns every exchange of every corpus. The test is skipped where no corpora are given.
func All(t testing.TB) []*Exchange { return Of(t) }

// Of returns the exchanges in the dialects of the given names, all exchanges if there is none. The test is skipped where
// no corpora are given.
func Of(t testing.TB, dialects ...string) []*Exchange {
	t.Helper()
	if os.Getenv("GWC_CORPORA") == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	files, err := corpora()
	if err != nil {
		t.Fatal(err)
	}
	var wanted []*file
	for _, f := range files {
		if len(dialects) == 0 || slices.ContainsFunc(dialects, func(d string) bool { return slices.Contains(f.dialects, d) }) {
			wanted = append(wanted, f)
		}
	}
	next := make(chan *file)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for f := range next {
				_, _ = f.exchanges()
			}
		})
	}
	for _, f := range wanted {
		next <- f
	}
	close(next)
	workers.Wait()
	var all []*Exchange
	for _, f := range wanted {
		list, err := f.exchanges()
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			if len(dialects) == 0 || slices.Contains(dialects, x.Dialect) {
				all = append(all, x)
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("no recordings of %v below $GWC_CORPORA", dialects)
	}
	return all
}

// Usable returns the exchanges of [Of] that were answered with status 200 and are not excluded, of the operation
// [OpChat]; and by name the reason for each that is left out.
func Usable(t testing.TB, dialects ...string) (usable []*Exchange, excluded map[string]string) {
	t.Helper()
	excluded = map[string]string{}
	for _, x := range Of(t, dialects...) {
		switch {
		case x.Operation != OpChat:
		case x.Excluded != "":
			excluded[x.Corpus+"/"+x.Name] = x.Excluded
		case x.Status != http.StatusOK:
			excluded[x.Corpus+"/"+x.Name] = fmt.Sprintf("an error of the provider, status %d: tested with the errors", x.Status)
		default:
			usable = append(usable, x)
		}
	}
	return usable, excluded
}

// file is a file of a corpus. dialects are those that it may hold.
type file struct {
	corpus, name string
	dialects     []string
	exchanges    func() ([]*Exchange, error)
}

// address finds the addresses of a cassette's requests. What else looks like one only means that a file is parsed for
// nothing.
var address = regexp.MustCompile(`(?m)^\s*(?:uri|url): *["']?(https?://[^\s"']+)`)

var corpora = sync.OnceValues(func() ([]*file, error) {
	root := filepath.Join(os.Getenv("GWC_CORPORA"), "recordings")
	var files []*file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		corpus, name, ok := strings.Cut(filepath.ToSlash(below), "/")
		if !ok {
			return nil
		}
		f := &file{corpus: corpus, name: short(name)}
		switch ext := filepath.Ext(path); {
		case ext == ".yaml" || ext == ".yml":
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range address.FindAllSubmatch(raw, -1) {
				if u, err := url.Parse(string(m[1])); err == nil {
					if d, _ := classify(u); !slices.Contains(f.dialects, d) {
						f.dialects = append(f.dialects, d)
					}
				}
			}
			f.exchanges = sync.OnceValues(func() ([]*Exchange, error) { return readCassette(path, f) })
		case corpus == "vercel-ai" && (ext == ".json" || ext == ".txt"):
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all := fixtures(name, string(raw))
			for n, x := range all {
				x.Corpus, x.Name = f.corpus, f.name
				if len(all) > 1 {
					x.Name = fmt.Sprintf("%s#%d", f.name, n)
				}
				x.Excluded = unusable(x)
				f.dialects = []string{x.Dialect}
			}
			f.exchanges = func() ([]*Exchange, error) { return all, nil }
		default:
			return nil
		}
		files = append(files, f)
		return nil
	})
	if err == nil && len(files) == 0 {
		err = errors.New("no recordings below $GWC_CORPORA")
	}
	return files, err
})

// short leaves out of a file's name the folders that say nothing.
func short(name string) string {
	for _, s := range [...]string{"providertests/testdata/", "packages/opentelemetry-instrumentation-", "packages/", "instrumentation-genai/opentelemetry-instrumentation-",
		"instrumentation/opentelemetry-instrumentation-", "opamp/opentelemetry-", "spec/fixtures/", "tests/internal/testopenai/"} {
		name = strings.TrimPrefix(name, s)
	}
	parts := strings.Split(name, "/")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool {
		return p == "tests" || p == "cassettes" || p == "__fixtures__" || p == "src" || p == "traces"
	}), "/")
}
