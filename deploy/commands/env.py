"""`fairpool env`: a running local stack as shell variables."""

import shlex

from deploy.commands.terminal import HomeOption, fails_plainly
from deploy.local import devfile
from deploy.local.home import Home


@fails_plainly
def env(home: HomeOption = None) -> None:
    """Print addresses and demo keys as shell variables: eval "$(fairpool env)". Exit codes: 0 printed, 8 nothing runs."""
    dev = devfile.load(Home.at(home).dev_file)
    source = dev.sources[0]
    employer = next(one for one in dev.employers if one.id == source.employer)
    vendor = next(one for one in dev.vendors if one.id == employer.vendor)
    variables = {
        "SIGNUP": dev.services.signup,
        "CONSENT": dev.services.consent,
        "POOL_MATCHING": dev.services.pool_matching,
        "OUTREACH_GATEWAY": dev.services.outreach_gateway,
        "MAIL": dev.mail,
        "VENDOR": vendor.id,
        "VENDOR_KEY": vendor.key,
        "EMPLOYER": employer.id,
        "EMPLOYER_KEY": employer.key,
        "HOOK": source.url,
        "HOOK_SECRET": source.secret,
        "OPERATOR_KEY": dev.operator.key,
    }
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
