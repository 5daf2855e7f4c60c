package mock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// desk is a stand-in with what clients leave at it.
type desk struct {
	t *testing.T
	h *Handler
}

func (s desk) do(method, path, contentType, body string, status int) map[string]any {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer k")
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	if w.Code != status {
		s.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	m := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		m["text"] = w.Body.String()
	}
	return m
}

func (s desk) upload(name, purpose, data string) string {
	s.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	m.WriteField("purpose", purpose)
	f, _ := m.CreateFormFile("file", name)
	f.Write([]byte(data))
	m.Close()
	o := s.do("POST", "/v1/files", m.FormDataContentType(), b.String(), 200)
	if o["bytes"] != float64(len(data)) || o["purpose"] != purpose || o["filename"] != name {
		s.t.Fatalf("the file is %v", o)
	}
	return o["id"].(string)
}

func TestFilesAndJobsAreKept(t *testing.T) {
	h, err := New(Options{Provider: OpenAI})
	if err != nil {
		t.Fatal(err)
	}
	s := desk{t, h}
	const js = "application/json"
	line := `{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}}`
	in := s.upload("in.jsonl", "batch", line+"\n"+`{"custom_id":"b","method":"GET","url":"/v1/models"}`+"\n")
	tune := s.upload("t.jsonl", "fine-tune", "{}\n")

	if l := s.do("GET", "/v1/files?purpose=batch", js, "", 200)["data"].([]any); len(l) != 1 || l[0].(map[string]any)["id"] != in {
		t.Errorf("the list is %v", l)
	}
	if l := s.do("GET", "/v1/files", js, "", 200); l["first_id"] != tune || l["last_id"] != in {
		t.Errorf("the list is %v", l)
	}
	ask := fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, in)
	b := s.do("POST", "/v1/batches", js, ask, 200)
	at := "/v1/batches/" + b["id"].(string)
	for _, want := range []string{"in_progress", "completed", "completed"} {
		if b = s.do("GET", at, js, "", 200); b["status"] != want {
			t.Fatalf("the batch is %v, want %s", b, want)
		}
	}
	out := s.do("GET", "/v1/files/"+b["output_file_id"].(string)+"/content", js, "", 200)["text"].(string)
	if n := strings.Count(out, "\n"); n != 2 || !strings.Contains(out, `"custom_id":"a"`) || !strings.Contains(out, `"object":"chat.completion"`) || !strings.Contains(out, `"status_code":400`) {
		t.Errorf("the output is %s", out)
	}
	s.do("POST", at+"/cancel", js, "", 400)
	other := "/v1/batches/" + s.do("POST", "/v1/batches", js, ask, 200)["id"].(string)
	if c := s.do("POST", other+"/cancel", js, "", 200); c["status"] != "cancelling" {
		t.Errorf("a cancelled batch is %v", c)
	}
	if c := s.do("GET", other, js, "", 200); c["status"] != "cancelled" {
		t.Errorf("a cancelled batch is %v", c)
	}

	j := s.do("POST", "/v1/fine_tuning/jobs", js, fmt.Sprintf(`{"model":"gpt-4.1-mini","training_file":%q}`, tune), 200)
	at = "/v1/fine_tuning/jobs/" + j["id"].(string)
	for _, want := range []string{"running", "succeeded"} {
		if j = s.do("GET", at, js, "", 200); j["status"] != want {
			t.Fatalf("the job is %v", j)
		}
	}
	if !strings.HasPrefix(j["fine_tuned_model"].(string), "ft:gpt-4.1-mini") {
		t.Errorf("the job made %v", j["fine_tuned_model"])
	}

	if d := s.do("DELETE", "/v1/files/"+in, js, "", 200); d["deleted"] != true {
		t.Errorf("deleted: %v", d)
	}
	for _, x := range []struct{ method, path, body string }{
		{http.MethodGet, "/v1/files/" + in, ""}, {http.MethodGet, "/v1/files/" + in + "/content", ""}, {http.MethodDelete, "/v1/files/" + in, ""},
		{http.MethodPost, "/v1/batches", ask}, {http.MethodGet, "/v1/batches/none", ""}, {http.MethodPost, "/v1/fine_tuning/jobs/none/cancel", ""},
	} {
		s.do(x.method, x.path, js, x.body, 404)
	}
	s.do("POST", "/v1/files", js, "{}", 400)
}
