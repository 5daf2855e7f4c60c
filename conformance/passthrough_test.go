package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// passthroughRepo opens paths of the provider to an app, and fewer to another.
func passthroughRepo(openai string) rig.Repo {
	return rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf(`
providers: openai: {kind: "openai", baseURL: "%s/v1", credentials: [{ref: "file:provider-key"}]}
tenants: acme: apps: {
	batch: {
		keys: [{id: "batch-1", hash: %q, expires: "2099-12-31"}]
		limits: [{requests: 1000, per: "1m"}]
		passthrough: [{provider: "openai", paths: ["/files", "/files/{rest+}", "/batches", "/batches/{rest+}", "/fine_tuning/jobs", "/fine_tuning/jobs/{rest+}"]}]
	}
	reader: {
		keys: [{id: "reader-1", hash: %q, expires: "2099-12-31"}]
		limits: [{requests: 1000, per: "1m"}]
		passthrough: [{provider: "openai", paths: ["/files"], methods: ["GET"]}]
	}
}
`, openai, hashOf(appKey), hashOf(narrowKey))),
		"../run/provider-key": providerKey + "\n",
	}
}

// TestPassthroughThroughSDK drives OpenAI's own client, of which nothing but the base URL and the key are changed.
func TestPassthroughThroughSDK(t *testing.T) {
	m := startMock(t, "--provider", "openai", "--key", providerKey)
	for _, engine := range []string{"netpoll", "std"} {
		t.Run(engine, func(t *testing.T) {
			repo := passthroughRepo(m.URL)
			repo["gateway.cue"] = strings.Replace(repo["gateway.cue"], `address: "127.0.0.1:8080"`, `address: "127.0.0.1:8080", engine: "`+engine+`"`, 1)
			g := serve(t, repo, rig.Options{})
			client := func(key string) openai.Client {
				return openai.NewClient(option.WithBaseURL(g.URL+"/passthrough/openai"), option.WithAPIKey(key), option.WithMaxRetries(0), option.WithOrganization("org-of-the-caller"))
			}
			c, ctx := client(appKey), t.Context()

			line := `{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}}` + "\n"
			content := strings.Repeat(line, 30_000) // some megabytes
			in, err := c.Files.New(ctx, openai.FileNewParams{File: openai.File(strings.NewReader(content), "in.jsonl", "application/jsonl"), Purpose: openai.FilePurposeBatch})
			if err != nil {
				t.Fatal(err)
			}
			if in.Bytes != int64(len(content)) || in.Filename != "in.jsonl" {
				t.Errorf("the file is %s", in.RawJSON())
			}
			if got, err := c.Files.Get(ctx, in.ID); err != nil || got.ID != in.ID {
				t.Errorf("the file is %v, %v", got, err)
			}
			r, err := c.Files.Content(ctx, in.ID)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || string(b) != content {
				t.Errorf("%d bytes came back of %d, %v", len(b), len(content), err)
			}
			small, err := c.Files.New(ctx, openai.FileNewParams{File: strings.NewReader(line), Purpose: openai.FilePurposeBatch})
			if err != nil {
				t.Fatal(err)
			}
			page, err := c.Files.List(ctx, openai.FileListParams{Purpose: openai.String("batch")})
			if err != nil || len(page.Data) < 2 || page.Data[0].ID != small.ID {
				t.Errorf("the list is %v, %v", page, err)
			}

			batch, err := c.Batches.New(ctx, openai.BatchNewParams{InputFileID: small.ID, Endpoint: openai.BatchNewParamsEndpointV1ChatCompletions, CompletionWindow: openai.BatchNewParamsCompletionWindow24h})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if batch, err = c.Batches.Get(ctx, batch.ID); err != nil {
					t.Fatal(err)
				}
			}
			if batch.Status != openai.BatchStatusCompleted || batch.RequestCounts.Completed != 1 {
				t.Fatalf("the batch is %s", batch.RawJSON())
			}
			if r, err = c.Files.Content(ctx, batch.OutputFileID); err != nil {
				t.Fatal(err)
			}
			b, _ = io.ReadAll(r.Body)
			r.Body.Close()
			if !strings.Contains(string(b), `"custom_id":"a"`) || !strings.Contains(string(b), "chat.completion") {
				t.Errorf("the output is %s", b)
			}
			other, err := c.Batches.New(ctx, openai.BatchNewParams{InputFileID: small.ID, Endpoint: openai.BatchNewParamsEndpointV1ChatCompletions, CompletionWindow: openai.BatchNewParamsCompletionWindow24h})
			if err != nil {
				t.Fatal(err)
			}
			if other, err = c.Batches.Cancel(ctx, other.ID); err != nil || other.Status != openai.BatchStatusCancelling {
				t.Errorf("a cancelled batch is %v, %v", other, err)
			}
			if l, err := c.Batches.List(ctx, openai.BatchListParams{Limit: openai.Int(10)}); err != nil || len(l.Data) < 2 {
				t.Errorf("the batches are %v, %v", l, err)
			}

			job, err := c.FineTuning.Jobs.New(ctx, openai.FineTuningJobNewParams{Model: "gpt-4o-mini", TrainingFile: small.ID})
			if err != nil {
				t.Fatal(err)
			}
			if job, err = c.FineTuning.Jobs.Get(ctx, job.ID); err != nil || job.Status != openai.FineTuningJobStatusRunning {
				t.Errorf("the job is %v, %v", job, err)
			}
			if job, err = c.FineTuning.Jobs.Cancel(ctx, job.ID); err != nil || job.Status != openai.FineTuningJobStatusCancelled {
				t.Errorf("a cancelled job is %v, %v", job, err)
			}
			if d, err := c.Files.Delete(ctx, in.ID); err != nil || !d.Deleted {
				t.Errorf("deleting gave %v, %v", d, err)
			}

			// Errors: the provider's as it says them, gwc's in the provider's form.
			status := func(err error) (int, string) {
				var e *openai.Error
				if !errors.As(err, &e) {
					t.Fatalf("the error is %T %v", err, err)
				}
				return e.StatusCode, e.Message
			}
			_, err = c.Files.Get(ctx, in.ID)
			if n, text := status(err); n != 404 || text != "No such File object: "+in.ID {
				t.Errorf("the provider's error is %d %s", n, text)
			}
			reader := client(narrowKey)
			_, err = reader.Batches.Get(ctx, batch.ID)
			if n, text := status(err); n != 404 || !strings.Contains(text, "not opened to this app") {
				t.Errorf("a path that is not opened gave %d %s", n, text)
			}
			_, err = reader.Files.New(ctx, openai.FileNewParams{File: strings.NewReader("x"), Purpose: openai.FilePurposeBatch})
			if n, _ := status(err); n != 405 {
				t.Errorf("a method that is not opened gave %d", n)
			}
			wrong := client("gwc_nobody")
			_, err = wrong.Files.List(ctx, openai.FileListParams{})
			if n, _ := status(err); n != 401 {
				t.Errorf("an unknown key gave %d", n)
			}
			_, err = c.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: "gpt-4o-mini", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")}})
			if n, _ := status(err); n != 404 {
				t.Errorf("asking a model by the back door gave %d", n)
			}

			// A caller that leaves in the middle of an upload.
			ctx, cancel := context.WithCancel(t.Context())
			slow, feed := io.Pipe()
			gone := make(chan error, 1)
			go func() {
				_, err := c.Files.New(ctx, openai.FileNewParams{File: slow, Purpose: openai.FilePurposeBatch})
				gone <- err
			}()
			go func() { feed.Write([]byte("half")); cancel(); feed.CloseWithError(context.Canceled) }()
			if err := <-gone; err == nil {
				t.Error("an upload that was left succeeded")
			}
			if _, err := c.Files.List(t.Context(), openai.FileListParams{}); err != nil {
				t.Errorf("after it: %v", err)
			}
			seen, err := m.Requests(64)
			if err != nil || len(seen) == 0 {
				t.Fatal(seen, err)
			}
			for _, q := range seen {
				if q.Header.Get("Openai-Organization") != "" {
					t.Error("the caller's organization reached the provider")
				}
			}
		})
	}
}
