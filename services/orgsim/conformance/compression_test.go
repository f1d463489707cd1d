package conformance

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/switches"
)

// zipped is content as gzip has it.
func zipped(content string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, content) // a buffer takes everything
	_ = z.Close()
	return b.String()
}

// gzipBody says that a body is compressed.
func gzipBody(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }

func TestCompression(t *testing.T) {
	o := theOrg(t)
	id, _ := o.process(spec{"object": "Account", "operation": "insert"}, "Name,Conf_Key__c\n"+o.key("zip")+","+o.key("zip")+"\n")
	file := ingest + "/" + id + "/" + successful
	t.Run("a reply is compressed only for those who ask for it", func(t *testing.T) {
		for _, accepted := range []string{"", "identity", "gzip;q=0", "deflate, gzip; q=0.0"} {
			a := o.want(o.call("GET", file, "", func(r *http.Request) {
				if accepted != "" {
					r.Header.Set("Accept-Encoding", accepted)
				}
			}), http.StatusOK)
			if a.header.Get("Content-Encoding") != "" || !strings.HasPrefix(a.body, `"sf__Id"`) {
				t.Errorf("%q got %v", accepted, a.header)
			}
		}
	})
	t.Run("a compressed reply is the same when it is unpacked", func(t *testing.T) {
		a := o.want(o.call("GET", file, "", func(r *http.Request) { r.Header.Set("Accept-Encoding", "deflate, gzip") }), http.StatusOK)
		if a.header.Get("Content-Encoding") != "gzip" {
			return // an org may leave it
		}
		z, err := gzip.NewReader(strings.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(z); err != nil || string(plain) != o.file(id, successful) {
			t.Errorf("%v: %s", err, plain)
		}
	})
	t.Run("job requests and uploads may be compressed", func(t *testing.T) {
		a := o.want(o.call("POST", ingest, zipped(text(spec{"object": "Account", "operation": "insert"})), gzipBody), http.StatusOK)
		id := decode[struct{ ID string }](t, a).ID
		o.want(o.call("PUT", ingest+"/"+id+"/batches", zipped("Name\n"+o.key("packed")+"\n"), csvBody, gzipBody), http.StatusCreated)
		o.want(o.call("PATCH", ingest+"/"+id, zipped(`{"state":"UploadComplete"}`), gzipBody), http.StatusOK)
		if got := o.ended(id)["numberRecordsProcessed"]; got != 1.0 {
			t.Errorf("%v rows were processed", got)
		}
	})
	t.Run("what is no gzip is refused, and so is one that breaks off", func(t *testing.T) {
		good := zipped(text(spec{"object": "Account", "operation": "insert"}))
		for _, body := range []string{"no gzip", good[:len(good)/2]} {
			o.refused(o.call("POST", ingest, body, gzipBody), http.StatusBadRequest, "CLIENTINPUTERROR")
			o.refused(o.call("POST", data+"/composite/sobjects", body, gzipBody), http.StatusBadRequest, "CLIENTINPUTERROR")
		}
		job := o.create(insertAccount)
		rows := zipped("Name\n" + o.key("broken") + "\n")
		for _, body := range []string{"no gzip", rows[:len(rows)/2]} {
			o.want(o.call("PUT", ingest+"/"+job+"/batches", body, csvBody, gzipBody), http.StatusBadRequest)
		}
		o.upload(job, "Name\n"+o.key("whole")+"\n") // the job is still Open
	})
	t.Run("calls on records may be compressed too", func(t *testing.T) {
		body := text(spec{"records": []spec{{"attributes": spec{"type": "Account"}, "Name": o.key("packed record")}}})
		a := o.want(o.call("POST", data+"/composite/sobjects", zipped(body), gzipBody), http.StatusOK)
		if got := decode[[]saved](t, a); len(got) != 1 || got[0].ID == "" {
			t.Errorf("got %s", a.body)
		}
	})
}

func TestCompressionOfASimulator(t *testing.T) {
	o := aSim(t)
	gzipped := func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") }
	t.Run("CSV and large JSON are compressed, small JSON is not, and caches are told that replies differ", func(t *testing.T) {
		o.fill(1, "g")
		id := o.queryRan(spec{"query": "SELECT Name FROM Account"})
		for path, want := range map[string]string{
			"/services/data": "gzip", data + "/sobjects/Contact/describe": "gzip", queries + "/" + id + "/results": "gzip", queries + "/" + id: "", data + "/limits": "", data + "/nothing": "",
		} {
			plain, packed := o.call("GET", path, ""), o.call("GET", path, "", gzipped)
			if packed.header.Get("Content-Encoding") != want || packed.header.Get("Vary") != "Accept-Encoding" || plain.header.Get("Vary") != "Accept-Encoding" || plain.header.Get("Content-Encoding") != "" {
				t.Errorf("%s: got %v", path, packed.header)
			}
			if want == "" {
				continue
			}
			z, err := gzip.NewReader(strings.NewReader(packed.body))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(z); err != nil || string(got) != plain.body || len(packed.body) >= len(plain.body) && len(plain.body) > 200 {
				t.Errorf("%s: %v: %d bytes are %q", path, err, len(packed.body), got)
			}
		}
	})
	t.Run("a setting turns it off", func(t *testing.T) {
		o.sim.Set(map[string]any{"gzip_replies": false})
		if a := o.call("GET", "/services/data", "", gzipped); a.header.Get("Content-Encoding") != "" {
			t.Errorf("got %v", a.header)
		}
	})
	t.Run("a small body that unpacks beyond the limits is refused", func(t *testing.T) {
		o.want(o.call("POST", ingest, zipped(strings.Repeat(" ", 17<<20)), gzipBody), http.StatusRequestEntityTooLarge)
		o.sim.Set(map[string]any{"max_upload_bytes": 4_000_000})
		job := o.create(insertAccount)
		o.refused(o.call("PUT", ingest+"/"+job+"/batches", zipped("Name\n"+strings.Repeat("n\n", 2_000_000)), csvBody, gzipBody), http.StatusBadRequest, "BULK_API_ERROR")
	})
	t.Run("the token endpoint refuses what is no gzip in its own form", func(t *testing.T) {
		a := o.want(o.tokenRequest(o.clientForm("client_credentials"), gzipBody), http.StatusBadRequest)
		if got := decode[map[string]string](t, a); got["error"] != "invalid_request" || got["error_description"] == "" {
			t.Errorf("got %s", a.body)
		}
	})
}

func TestGzipRequests(t *testing.T) {
	o := aSim(t)
	body := zipped(text(spec{"object": "Account", "operation": "insert"}))
	t.Run("compressed bodies pass by the guess", func(t *testing.T) {
		o.want(o.call("POST", ingest, body, gzipBody), http.StatusOK)
	})
	t.Run("the switch refuses them as 415, uploads too", func(t *testing.T) {
		id := o.create(spec{"object": "Account", "operation": "insert"})
		o.sim.Move(switches.GzipRequests, switches.Refused)
		o.want(o.call("POST", ingest, body, gzipBody), http.StatusUnsupportedMediaType)
		o.want(o.call("PUT", ingest+"/"+id+"/batches", zipped("Name\nx\n"), csvBody, gzipBody), http.StatusUnsupportedMediaType)
		o.upload(id, "Name\nx\n")
	})
}
