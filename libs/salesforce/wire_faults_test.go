package salesforce

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// wireFault is something that goes wrong between the client and the org.
type wireFault string

const (
	refused      wireFault = "a refused connection"
	resetBefore  wireFault = "a reset before the effect"
	resetAfter   wireFault = "a reset after the effect"
	expired      wireFault = "401 for an expired session"
	restricted   wireFault = "401 for a session that the API does not take"
	overLimit    wireFault = "403 for the daily limit"
	concurrent   wireFault = "403 for the concurrent limit"
	brokenOrg    wireFault = "500"
	edgePage     wireFault = "502 with a page"
	unavailable  wireFault = "503"
	silence      wireFault = "no answer in time"
	halfSilence  wireFault = "half an answer and then silence"
	half         wireFault = "half an answer that ends as if it were whole"
	cut          wireFault = "half an answer and a reset"
	wrongType    wireFault = "the answer under another content type"
	page         wireFault = "a page with 200"
	gzipGarbage  wireFault = "what is no gzip under that name"
	otherPacking wireFault = "a packing that was not asked for"
)

var wireFaults = []wireFault{
	refused, resetBefore, resetAfter, expired, restricted, overLimit, concurrent, brokenOrg, edgePage, unavailable, silence, halfSilence, half, cut, wrongType, page,
	gzipGarbage, otherPacking,
}

// How long a client waits for an org that stays silent, and for one that answers, also on a machine with much to do.
const (
	shortPatience = 250 * time.Millisecond
	longPatience  = 20 * time.Second
)

// strike answers a request wrongly. good is the right answer, body what was read of the request's.
func (f wireFault) strike(w http.ResponseWriter, r *http.Request, good *httptest.ResponseRecorder) {
	body := good.Body.Bytes()
	switch f {
	case refused: // the client was sent to an address where nobody is
	case resetBefore, resetAfter:
		reset(w, nil)
	case expired:
		writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
	case restricted:
		writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
	case overLimit:
		writeError(w, http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	case concurrent:
		writeError(w, http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
	case brokenOrg:
		writeError(w, http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "An unexpected error occurred.")
	case edgePage:
		writePage(w, http.StatusBadGateway)
	case unavailable:
		writeError(w, http.StatusServiceUnavailable, "SERVER_UNAVAILABLE", "The service is temporarily unavailable")
	case silence:
		<-r.Context().Done()
	case halfSilence:
		announce(w, good)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case half:
		copyHeader(w, good)
		w.WriteHeader(good.Code)
		_, _ = w.Write(body[:len(body)/2])
	case cut:
		var whole bytes.Buffer
		_ = good.Result().Write(&whole)
		reset(w, whole.Bytes()[:whole.Len()-len(body)+len(body)/2])
	case wrongType:
		copyHeader(w, good)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.WriteHeader(good.Code)
		_, _ = w.Write(body)
	case page:
		writePage(w, http.StatusOK)
	case gzipGarbage:
		packed(w, good, "gzip")
	case otherPacking:
		packed(w, good, "br")
	}
}

func copyHeader(w http.ResponseWriter, good *httptest.ResponseRecorder) {
	for name, values := range good.Header() {
		w.Header()[name] = values
	}
}

// announce begins an answer with its whole length.
func announce(w http.ResponseWriter, good *httptest.ResponseRecorder) {
	copyHeader(w, good)
	if n := good.Body.Len(); n > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(n))
	}
	w.WriteHeader(good.Code)
}

// packed sends what no packing reads. An answer that may have no body gets one with 200.
func packed(w http.ResponseWriter, good *httptest.ResponseRecorder, encoding string) {
	copyHeader(w, good)
	w.Header().Set("Content-Encoding", encoding)
	status := good.Code
	if status == http.StatusNoContent {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte("\x00\x01\x02 neither the one nor the other"))
}

// reset sends what is given and ends the connection without a farewell.
func reset(w http.ResponseWriter, start []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write(start)
	if tcp, ok := conn.(*net.TCPConn); ok && len(start) == 0 {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
