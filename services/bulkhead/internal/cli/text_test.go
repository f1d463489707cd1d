package cli

import "testing"

func TestADefinitionIsPrintedAsItWasApplied(t *testing.T) {
	t.Run("into a file or a pipe, line ends and invisible characters as they are", func(t *testing.T) {
		at := fakeOps(t, map[string]reply{"GET /v1/pipelines/contacts": ok(`{"pipeline":{"name":"contacts","revision":1,"yaml":"\ufeffkind: Pipeline\r\n# soft\u00adhyphen\r\n"}}`)})
		if code, out, _ := invoke(t, "", "--ops", at, "pipelines", "show", "contacts"); code != ExitDone || out != "\ufeffkind: Pipeline\r\n# soft\u00adhyphen\r\n" {
			t.Errorf("exit %d: %q", code, out)
		}
	})
}

func TestWhatAPersonAgreesTo(t *testing.T) {
	for want, f := range map[string]letterFlags{
		"group 0f, run nightly":                      {group: "0f", run: "nightly"},
		"pipeline contacts, class data, code X\\x1b": {pipeline: "contacts", class: "data", code: "X\x1b"},
		"all of them":                                {},
	} {
		t.Run("the question names every filter that is set: "+want, func(t *testing.T) {
			if got := f.String(); got != want {
				t.Errorf("%q", got)
			}
		})
	}
}
