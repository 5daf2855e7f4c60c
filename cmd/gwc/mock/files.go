package mock

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxKept bounds files and jobs, and their bytes; a mock that is left running must not grow for ever.
const (
	maxKept      = 10_000
	maxKeptBytes = 256 << 20
)

// shelf is what clients have left at OpenAI's stand-in: files, batches and fine-tuning jobs, the newest first.
//
// Jobs go on by being looked at: each GET of one takes it a state further, so that a client that polls sees all of them
// and no time has to pass.
type shelf struct {
	mu    sync.Mutex
	files []*file
	jobs  map[string][]*job // by what they are: "batch", "fine_tuning.job"
	bytes int
	next  int
}

type file struct {
	id, name, purpose string
	created           int64
	data              []byte
}

// job is a batch or a fine-tuning job. fields are what it was asked for and what came of it.
type job struct {
	id     string
	states []string // what it will go through
	fields map[string]any
}

// files registers OpenAI's endpoints that keep something.
func (h *Handler) files() {
	h.shelf.jobs = map[string][]*job{}
	for pattern, endpoint := range map[string]func(*player, []byte) *refusal{
		"POST /v1/files":             h.keepFile,
		"GET /v1/files":              h.listFiles,
		"GET /v1/files/{id}":         h.showFile,
		"GET /v1/files/{id}/content": h.fileContent,
		"DELETE /v1/files/{id}":      h.dropFile,

		"POST /v1/batches":             h.newBatch,
		"GET /v1/batches":              h.listJobs("batch"),
		"GET /v1/batches/{id}":         h.showJob("batch"),
		"POST /v1/batches/{id}/cancel": h.cancelJob("batch", "cancelling", "cancelled"),

		"POST /v1/fine_tuning/jobs":             h.newTuning,
		"GET /v1/fine_tuning/jobs":              h.listJobs("fine_tuning.job"),
		"GET /v1/fine_tuning/jobs/{id}":         h.showJob("fine_tuning.job"),
		"POST /v1/fine_tuning/jobs/{id}/cancel": h.cancelJob("fine_tuning.job", "cancelled"),
	} {
		h.mux.HandleFunc(pattern, h.provide(openAI{}, endpoint))
	}
}

func (h *Handler) keepFile(p *player, body []byte) *refusal {
	r := p.r.Clone(p.r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := r.ParseMultipartForm(maxBody); err != nil || len(r.MultipartForm.File["file"]) != 1 {
		return &refusal{status: 400, typ: "invalid_request_error", param: "file", message: "'file' is a required property"}
	}
	purpose := r.FormValue("purpose")
	if !slices.Contains([]string{"assistants", "batch", "fine-tune", "vision", "user_data", "evals"}, purpose) {
		return &refusal{status: 400, typ: "invalid_request_error", param: "purpose", message: "'purpose' is a required property"}
	}
	part := r.MultipartForm.File["file"][0]
	f, err := part.Open()
	if err != nil {
		return &refusal{status: 400, typ: "invalid_request_error", param: "file", message: "Could not read the file"}
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return &refusal{status: 400, typ: "invalid_request_error", param: "file", message: "Could not read the file"}
	}
	kept, bad := h.shelve(part.Filename, purpose, data)
	if bad != nil {
		return bad
	}
	p.respond(200, mustJSON(kept.object()))
	return nil
}

// shelve keeps a file.
func (h *Handler) shelve(name, purpose string, data []byte) (*file, *refusal) {
	s := &h.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) >= maxKept || s.bytes+len(data) > maxKeptBytes {
		return nil, &refusal{status: 400, typ: "invalid_request_error", message: "The stand-in keeps no more files; delete some"}
	}
	s.next++
	s.bytes += len(data)
	f := &file{id: fmt.Sprintf("file-%06d", s.next), name: name, purpose: purpose, created: h.o.Now().Unix(), data: data}
	s.files = slices.Insert(s.files, 0, f)
	return f, nil
}

func (f *file) object() map[string]any {
	return map[string]any{"id": f.id, "object": "file", "bytes": len(f.data), "created_at": f.created, "filename": f.name, "purpose": f.purpose, "status": "processed"}
}

// page answers with a list, and says what OpenAI's clients page by.
func page(p *player, list []map[string]any) {
	o := map[string]any{"object": "list", "data": list, "has_more": false}
	if len(list) > 0 {
		o["first_id"], o["last_id"] = list[0]["id"], list[len(list)-1]["id"]
	}
	p.respond(200, mustJSON(o))
}

func (h *Handler) listFiles(p *player, _ []byte) *refusal {
	h.shelf.mu.Lock()
	defer h.shelf.mu.Unlock()
	list := []map[string]any{}
	purpose := p.r.URL.Query().Get("purpose")
	for _, f := range h.shelf.files {
		if purpose == "" || f.purpose == purpose {
			list = append(list, f.object())
		}
	}
	page(p, list)
	return nil
}

// found returns the file of an id; the caller holds the lock.
func (s *shelf) found(id string) *file {
	if i := slices.IndexFunc(s.files, func(f *file) bool { return f.id == id }); i >= 0 {
		return s.files[i]
	}
	return nil
}

func noSuch(what, id string) *refusal {
	return &refusal{status: 404, typ: "invalid_request_error", param: "id", message: fmt.Sprintf("No such %s: %s", what, id)}
}

func (h *Handler) showFile(p *player, _ []byte) *refusal {
	h.shelf.mu.Lock()
	defer h.shelf.mu.Unlock()
	f := h.shelf.found(p.r.PathValue("id"))
	if f == nil {
		return noSuch("File object", p.r.PathValue("id"))
	}
	p.respond(200, mustJSON(f.object()))
	return nil
}

func (h *Handler) fileContent(p *player, _ []byte) *refusal {
	h.shelf.mu.Lock()
	f := h.shelf.found(p.r.PathValue("id"))
	h.shelf.mu.Unlock()
	if f == nil {
		return noSuch("File object", p.r.PathValue("id"))
	}
	p.mediaType = "application/octet-stream"
	p.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", f.name))
	p.respond(200, f.data)
	return nil
}

func (h *Handler) dropFile(p *player, _ []byte) *refusal {
	s := &h.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.found(p.r.PathValue("id"))
	if f == nil {
		return noSuch("File object", p.r.PathValue("id"))
	}
	s.bytes -= len(f.data)
	s.files = slices.DeleteFunc(s.files, func(x *file) bool { return x == f })
	p.respond(200, mustJSON(map[string]any{"id": f.id, "object": "file", "deleted": true}))
	return nil
}

// begin keeps a job that will go through some states.
func (h *Handler) begin(kind, prefix string, fields map[string]any, states ...string) (*job, *refusal) {
	s := &h.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.jobs[kind]) >= maxKept {
		return nil, &refusal{status: 429, message: "The stand-in keeps no more jobs"}
	}
	s.next++
	j := &job{id: fmt.Sprintf("%s%06d", prefix, s.next), states: states, fields: fields}
	fields["id"], fields["object"], fields["status"], fields["created_at"] = j.id, kind, states[0], h.o.Now().Unix()
	s.jobs[kind] = slices.Insert(s.jobs[kind], 0, j)
	return j, nil
}

func (h *Handler) newBatch(p *player, body []byte) *refusal {
	var q struct {
		Input    string         `json:"input_file_id"`
		Endpoint string         `json:"endpoint"`
		Window   string         `json:"completion_window"`
		Metadata jsontext.Value `json:"metadata"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return openAIUnreadable(err)
	}
	h.shelf.mu.Lock()
	f := h.shelf.found(q.Input)
	h.shelf.mu.Unlock()
	switch {
	case f == nil:
		return noSuch("File object", q.Input)
	case f.purpose != "batch" || q.Window != "24h" || !strings.HasPrefix(q.Endpoint, "/v1/"):
		return &refusal{status: 400, typ: "invalid_request_error", message: "Expected a file for batches, an endpoint and the window 24h."}
	}
	j, bad := h.begin("batch", "batch_", map[string]any{"endpoint": q.Endpoint, "input_file_id": q.Input, "completion_window": q.Window, "metadata": q.Metadata,
		"output_file_id": nil, "errors": nil}, "validating", "in_progress", "completed")
	if bad != nil {
		return bad
	}
	p.respond(200, mustJSON(j.fields))
	return nil
}

func (h *Handler) newTuning(p *player, body []byte) *refusal {
	var q struct {
		Model string `json:"model"`
		File  string `json:"training_file"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return openAIUnreadable(err)
	}
	h.shelf.mu.Lock()
	f := h.shelf.found(q.File)
	h.shelf.mu.Unlock()
	switch {
	case f == nil:
		return noSuch("File object", q.File)
	case !h.exists(OpenAI, q.Model):
		return noModel(OpenAI, q.Model)
	}
	j, bad := h.begin("fine_tuning.job", "ftjob-", map[string]any{"model": q.Model, "training_file": q.File, "fine_tuned_model": nil, "result_files": []string{}, "seed": 1,
		"hyperparameters": map[string]any{"n_epochs": "auto"}, "organization_id": "org-mock", "trained_tokens": nil, "finished_at": nil, "error": nil, "validation_file": nil},
		"validating_files", "running", "succeeded")
	if bad != nil {
		return bad
	}
	p.respond(200, mustJSON(j.fields))
	return nil
}

func (h *Handler) listJobs(kind string) func(*player, []byte) *refusal {
	return func(p *player, _ []byte) *refusal {
		h.shelf.mu.Lock()
		defer h.shelf.mu.Unlock()
		list := []map[string]any{}
		for _, j := range h.shelf.jobs[kind] {
			list = append(list, j.fields)
		}
		page(p, list)
		return nil
	}
}

// job returns the job of a request; the caller holds the lock.
func (h *Handler) job(p *player, kind string) (*job, *refusal) {
	id := p.r.PathValue("id")
	if i := slices.IndexFunc(h.shelf.jobs[kind], func(j *job) bool { return j.id == id }); i >= 0 {
		return h.shelf.jobs[kind][i], nil
	}
	return nil, noSuch(strings.ReplaceAll(kind, "_", "-"), id)
}

// showJob answers with a job that has gone on a state.
func (h *Handler) showJob(kind string) func(*player, []byte) *refusal {
	return func(p *player, _ []byte) *refusal {
		h.shelf.mu.Lock()
		j, bad := h.job(p, kind)
		ends := false
		if bad == nil && len(j.states) > 1 {
			j.states = j.states[1:]
			j.fields["status"] = j.states[0]
			ends = j.states[0] == "completed"
			if j.states[0] == "succeeded" {
				j.fields["fine_tuned_model"] = fmt.Sprintf("ft:%s:mock::%s", j.fields["model"], j.id)
				j.fields["finished_at"] = h.o.Now().Unix()
			}
		}
		h.shelf.mu.Unlock()
		if bad != nil {
			return bad
		}
		if ends {
			h.complete(j)
		}
		h.shelf.mu.Lock()
		body := mustJSON(j.fields)
		h.shelf.mu.Unlock()
		p.respond(200, body)
		return nil
	}
}

func (h *Handler) cancelJob(kind string, states ...string) func(*player, []byte) *refusal {
	return func(p *player, _ []byte) *refusal {
		h.shelf.mu.Lock()
		defer h.shelf.mu.Unlock()
		j, bad := h.job(p, kind)
		if bad != nil {
			return bad
		}
		if len(j.states) < 2 {
			return &refusal{status: 400, typ: "invalid_request_error", message: fmt.Sprintf("Cannot cancel a job with status '%s'.", j.states[0])}
		}
		j.states = states
		j.fields["status"] = states[0]
		p.respond(200, mustJSON(j.fields))
		return nil
	}
}

// complete answers each request of a batch, by the endpoints of this stand-in, into a file.
func (h *Handler) complete(j *job) {
	h.shelf.mu.Lock()
	input := h.shelf.found(j.fields["input_file_id"].(string))
	h.shelf.mu.Unlock()
	if input == nil { // deleted meanwhile
		return
	}
	var out []byte
	total, failed := 0, 0
	for line := range bytes.Lines(input.data) {
		var q struct {
			ID     string         `json:"custom_id"`
			Method string         `json:"method"`
			URL    string         `json:"url"`
			Body   jsontext.Value `json:"body"`
		}
		total++
		a := answered{header: http.Header{}, status: http.StatusOK}
		if json.Unmarshal(line, &q) != nil || q.Method != http.MethodPost || q.URL != j.fields["endpoint"] {
			a.status, a.body = http.StatusBadRequest, []byte(`{"error":{"message":"the line is no request of the batch"}}`)
		} else if r, err := http.NewRequest(q.Method, q.URL, bytes.NewReader(q.Body)); err == nil {
			r.Header.Set("Authorization", "Bearer "+h.o.Key)
			if h.o.Key == "" {
				r.Header.Set("Authorization", "Bearer none")
			}
			h.mux.ServeHTTP(&a, r)
		}
		if a.status != http.StatusOK {
			failed++
		}
		out = append(append(out, mustJSON(map[string]any{"id": fmt.Sprintf("batch_req_%d", total), "custom_id": q.ID, "error": nil,
			"response": map[string]any{"status_code": a.status, "request_id": fmt.Sprintf("req_%d", total), "body": jsontext.Value(bytes.TrimSpace(a.body))}})...), '\n')
	}
	f, bad := h.shelve(j.id+"_output.jsonl", "batch_output", out)
	h.shelf.mu.Lock()
	defer h.shelf.mu.Unlock()
	j.fields["request_counts"] = map[string]int{"total": total, "completed": total - failed, "failed": failed}
	if bad == nil {
		j.fields["output_file_id"] = f.id
	}
}

// answered is an [http.ResponseWriter] that keeps what is written.
type answered struct {
	header http.Header
	status int
	body   []byte
}

// Header implements [http.ResponseWriter].
func (a *answered) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *answered) WriteHeader(status int) { a.status = status }

// Write implements [http.ResponseWriter].
func (a *answered) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}

// Flush implements [http.Flusher].
func (a *answered) Flush() {}
