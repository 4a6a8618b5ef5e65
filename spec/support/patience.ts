// A spec waits for events, and on a busy machine, beside other specs, they take their time; only one that never comes shall end it.
jasmine.DEFAULT_TIMEOUT_INTERVAL = 120_000;
