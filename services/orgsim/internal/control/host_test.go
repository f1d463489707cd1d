package control_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"bulkhead/services/orgsim/app"
	"bulkhead/services/orgsim/simtest"
)

func TestNamesOfOtherSitesAreRefused(t *testing.T) {
	s := simtest.Start(t, simtest.With(func(o *app.Options) { o.PublicURL = "https://Org.Company.example:8443" }))
	for host, want := range map[string]int{
		"":                         http.StatusOK, // the address itself
		"localhost:8082":           http.StatusOK,
		"[::1]:8082":               http.StatusOK,
		"192.0.2.7":                http.StatusOK,
		"orgsim:8082":              http.StatusOK, // a container
		"orgsim.dev.svc.internal.": http.StatusOK,
		"org.company.example":      http.StatusOK, // the public URL
		"site.example":             http.StatusForbidden,
		"127.0.0.1.site.example":   http.StatusForbidden,
		"localhost.site.example":   http.StatusForbidden,
		"company.example":          http.StatusForbidden,
		"site.example.:8082":       http.StatusForbidden,
	} {
		for _, path := range []string{"counts", "page/jobs"} {
			t.Run(path+" at "+host, func(t *testing.T) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ControlURL()+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = host
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = res.Body.Close() }()
				body, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != want || want != http.StatusOK && !strings.Contains(string(body), "--public-url") {
					t.Errorf("%d %s %v", res.StatusCode, body, err)
				}
			})
		}
	}
}
