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
	t.Run("what is no gzip is refused", func(t *testing.T) {
		if a := o.call("POST", ingest, "no gzip", gzipBody); a.status != http.StatusBadRequest {
			t.Errorf("got %d %s", a.status, a.body)
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
