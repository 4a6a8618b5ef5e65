import fc from 'fast-check';

// Where a spec names the greatest length, values as long as that are made, too: by default there would be none longer than about ten.
fc.configureGlobal({ ...fc.readConfigureGlobal(), defaultSizeToMaxWhenMaxSpecified: true });
