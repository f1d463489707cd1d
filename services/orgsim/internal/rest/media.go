package rest

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/switches"
)

func unsupported(message string) error {
	return &bulk.Error{Status: http.StatusUnsupportedMediaType, Code: "UNSUPPORTED_MEDIA_TYPE", Message: message}
}

// checkMedia refuses bodies in a form that the API does not take. A body without a Content-Type passes: clients that
// forget it are not told off. Uploads and job requests with parts look at their type themselves.
func (ex *exchange) checkMedia() error {
	if encoding := ex.r.Header.Get("Content-Encoding"); ex.r.ContentLength != 0 && encoding != "" && !strings.EqualFold(encoding, "identity") && !ex.unpacks() {
		return unsupported("Content-Encoding '" + encoding + "' is not supported")
	}
	given := ex.r.Header.Get("Content-Type")
	if ex.route.open || ex.route.endpoint == fault.Upload || ex.route.endpoint == fault.Identity || len(ex.body) == 0 || given == "" {
		return nil
	}
	switch media, _, _ := mime.ParseMediaType(given); media {
	case "application/json":
		return nil
	case "multipart/form-data":
		if ex.route.endpoint == fault.Create && ex.route.jobs == &ingestCalls {
			return nil
		}
	}
	return unsupported("Content-Type '" + given + "' is not supported")
}

// unpacks says whether the request's body is compressed and the org reads such bodies. One client says so of every request, of those without a body too.
func (ex *exchange) unpacks() bool {
	return ex.r.ContentLength != 0 && strings.EqualFold(ex.r.Header.Get("Content-Encoding"), "gzip") && ex.s.Switches.Get(switches.GzipRequests) == switches.Accepted
}

// acceptsGzip says whether the caller asks for compressed replies: "gzip;q=0" is a way to say no.
func acceptsGzip(h http.Header) bool {
	for _, item := range strings.Split(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight, has := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !has || err != nil || q > 0
	}
	return false
}

// headerBytes is what the header lines of a request took, as HTTP/1.1 writes them.
func headerBytes(r *http.Request) int {
	n := 0
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}
