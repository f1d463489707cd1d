package rest

import (
	"net/http"
	"testing"
)

// FuzzJobParts reads create requests in parts from outside: whatever comes, it is either taken whole or refused.
func FuzzJobParts(f *testing.F) {
	const good = "--b\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=\"job\"\r\n\r\n{}\r\n" +
		"--b\r\nContent-Type: text/csv\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\r\nName\nN\n\r\n--b--\r\n"
	f.Add("multipart/form-data; boundary=b", good)
	f.Add("multipart/form-data; boundary=b", good[:len(good)/2])
	f.Add("multipart/form-data; boundary=b", "--b--\r\n")
	f.Add("multipart/form-data", good)
	f.Add("application/json", "{}")
	f.Fuzz(func(t *testing.T, kind, body string) {
		ex := &exchange{r: &http.Request{Header: http.Header{"Content-Type": {kind}}}, body: []byte(body)}
		parts, err := ex.jobParts()
		switch {
		case err != nil && (parts.job != nil || parts.data != nil):
			t.Errorf("a refused request has parts: %q, %v", parts.job, err)
		case err == nil && parts.data == nil && string(parts.job) != body:
			t.Errorf("a request without parts is %q", parts.job)
		case err == nil && len(parts.job) > len(body):
			t.Errorf("a part of %d bytes comes from %d", len(parts.job), len(body))
		}
	})
}
