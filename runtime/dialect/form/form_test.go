package form

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const contentType = `multipart/form-data; boundary="b b"`

func lines(l ...string) string { return strings.Join(l, "\r\n") }

func TestRead(t *testing.T) {
	model := func(v string) string { return lines("--b b", `Content-Disposition: form-data; name="model"`, "", v) }
	for _, c := range []struct {
		name, contentType, body, fault string
		want                           Head
	}{
		{"a model among files", contentType, lines("--b b", `Content-Disposition: form-data; name="file"; filename="a.wav"`, "Content-Type: audio/wav", "", "RIFF\n--b b\r\n--b", model("whisper-1"), "--b b--", ""),
			"", Head{Model: "whisper-1", HasModel: true, Start: 169, End: 178}},
		{"a stream", contentType, lines(model("m"), "--b b", `content-disposition: form-data; name=stream`, "", "true", "--b b--"), "", Head{Model: "m", HasModel: true, Start: 55, End: 56, Stream: true}},
		{"no model", contentType, lines("--b b", `Content-Disposition: form-data; name="x"`, "", "y", "--b b--", ""), "", Head{}},
		{"no part", contentType, "--b b--\r\n", "", Head{}},
		{"no boundary", "multipart/form-data", lines(model("m"), "--b b--"), "the form's Content-Type names no usable boundary", Head{}},
		{"a preamble", contentType, "hello\r\n" + lines(model("m"), "--b b--"), "the form does not begin with its boundary", Head{}},
		{"a cut", contentType, lines(model("m"), "--b"), "the form breaks off in part 1", Head{}},
		{"no last delimiter", contentType, lines(model("m"), "--b b"), "a boundary of the form is not followed by a line end", Head{}},
		{"an epilogue", contentType, lines(model("m"), "--b b--", model("other")), "something stands behind the form's last boundary", Head{}},
		{"two models", contentType, lines(model("m"), model("n"), "--b b--"), "model is given twice", Head{}},
		{"a model that is a file", contentType, lines("--b b", `Content-Disposition: form-data; name="model"; filename="x"`, "", "m", "--b b--"), "model is sent as a file", Head{}},
		{"a stream of another kind", contentType, lines("--b b", `Content-Disposition: form-data; name="stream"`, "", "maybe", "--b b--"), `stream is "maybe", expected true or false`, Head{}},
		{"base64", contentType, lines("--b b", "Content-Transfer-Encoding: base64", `Content-Disposition: form-data; name="model"`, "", "bQ==", "--b b--"), "part 1: its Content-Transfer-Encoding is not supported", Head{}},
		{"no name", contentType, lines("--b b", `Content-Disposition: form-data`, "", "m", "--b b--"), "part 1: its Content-Disposition names no field", Head{}},
		{"two names", contentType, lines("--b b", `Content-Disposition: form-data; name="x"`, `Content-Disposition: form-data; name="model"`, "", "m", "--b b--"), "part 1: it has two Content-Dispositions", Head{}},
		{"a header without a colon", contentType, lines("--b b", `Content-Disposition`, "", "m", "--b b--"), "part 1: its header is not well formed", Head{}},
		{"too many parts", contentType, strings.Repeat("--b b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n", MaxParts+1) + "--b b--", "the form has more than 256 parts", Head{}},
		{"a header without end", contentType, "--b b\r\nContent-Disposition: form-data; name=" + strings.Repeat("x", maxHeader), "the header of part 1 does not end within 8192 bytes", Head{}},
		{"a long model", contentType, lines(model(strings.Repeat("m", maxValue+1)), "--b b--"), "model is longer than 1024 bytes", Head{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(c.contentType, []byte(c.body))
			text := ""
			if err != nil {
				text, got = err.Error(), Head{}
			}
			if diff := cmp.Diff(c.fault, text); diff != "" {
				t.Errorf("fault: mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzRead holds that whatever is accepted reads the same with mime/multipart.
func FuzzRead(f *testing.F) {
	f.Add(lines("--b b", `Content-Disposition: form-data; name="model"`, "", "m", "--b b--"))
	f.Add(lines("--b b", `Content-Disposition: form-data; name="a"`, "", "--b", "--b b", `Content-Disposition: form-data; name="model"`, "X: y", "", "m", "--b b--", ""))
	f.Fuzz(func(t *testing.T, body string) {
		got, err := Read(contentType, []byte(body))
		if err != nil {
			return
		}
		_, params, _ := mime.ParseMediaType(contentType)
		r := multipart.NewReader(strings.NewReader(body), params["boundary"])
		var want []string
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				return // the other side refuses it: then nothing is read two ways
			}
			b, err := io.ReadAll(p)
			if err != nil {
				return
			}
			if p.FormName() == "model" {
				want = append(want, string(b))
			}
		}
		if len(want) > 1 || (len(want) == 1) != got.HasModel || got.HasModel && (want[0] != got.Model || !bytes.Equal([]byte(body[got.Start:got.End]), []byte(want[0]))) {
			t.Fatalf("read %+v, mime/multipart reads %q", got, want)
		}
	})
}
