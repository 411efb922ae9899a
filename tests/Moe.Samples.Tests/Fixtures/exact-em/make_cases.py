"""Makes the cases of this folder: data with a fixed seed, the exact maximum of the mixture's likelihood, its standard errors.

    pip install numpy scipy
    python make_cases.py [case ...]

No EM here, and no derivatives by hand: the log-likelihood itself is maximised by BFGS from many starts and finished by Newton
steps; gradients are complex steps (exact to rounding), the observed information is their central difference.
"""
import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

LEAST_SHARE, LEAST_SIGMA = 0.02, 1e-3  # starts that end below are worthless: see "start" in the conventions


class Mixture:
    """Parameters: the gate's coefficients of experts 2 to K, the experts' coefficients, log sigma (Gaussian only)."""

    def __init__(self, family, experts, x, z, y, trials=None):
        self.family, self.k, self.y, self.trials = family, experts, y, trials
        self.x = np.column_stack([np.ones(len(y)), x])
        self.z = np.column_stack([np.ones(len(y)), z])
        self.gates, self.slopes = (experts - 1) * self.z.shape[1], experts * self.x.shape[1]
        self.size = self.gates + self.slopes + (experts if family == "gaussian" else 0)
        if family == "binomial":
            self.constant = gammaln(trials + 1) - gammaln(y + 1) - gammaln(trials - y + 1)

    def parts(self, theta):
        gate = np.vstack([np.zeros(self.z.shape[1]), theta[: self.gates].reshape(self.k - 1, -1)])
        return gate, theta[self.gates : self.gates + self.slopes].reshape(self.k, -1), theta[self.gates + self.slopes :]

    def terms(self, theta):
        """log gate and log density, [n, K] each."""
        gate, slopes, logs = self.parts(theta)
        scores = self.z @ gate.T
        eta = self.x @ slopes.T
        if self.family == "gaussian":
            density = -0.5 * np.log(2 * np.pi) - logs - 0.5 * ((self.y[:, None] - eta) / np.exp(logs)) ** 2
        else:
            log_odds = soft_plus(eta)
            density = self.constant[:, None] + self.y[:, None] * eta - self.trials[:, None] * log_odds
        return scores - log_sum(scores)[:, None], density

    def log_likelihood(self, theta):
        gate, density = self.terms(theta)
        return log_sum(gate + density).sum()

    def gradient(self, theta):
        steps = np.empty(self.size)
        for place in range(self.size):
            point = theta.astype(complex)
            point[place] += 1e-30j
            steps[place] = self.log_likelihood(point).imag / 1e-30
        return steps

    def information(self, theta):
        matrix = np.empty((self.size, self.size))
        for place in range(self.size):
            step = 1e-5 * max(1e-2, abs(theta[place]))
            up, down = theta.copy(), theta.copy()
            up[place] += step
            down[place] -= step
            matrix[place] = -(self.gradient(up) - self.gradient(down)) / (up[place] - down[place])
        return (matrix + matrix.T) / 2

    def fit(self, theta):
        def negative(point):
            value = self.log_likelihood(point)
            return (-value, -self.gradient(point)) if np.isfinite(value) else (1e10, np.zeros(self.size))

        with np.errstate(all="ignore"):
            return minimize(negative, theta, jac=True, method="BFGS", options={"gtol": 1e-4, "maxiter": 400}).x

    def newton(self, theta):
        for _ in range(20):
            step = np.linalg.solve(self.information(theta), self.gradient(theta))
            theta = theta + step
            if np.abs(step / np.maximum(1, np.abs(theta))).max() < 1e-13:
                break
        return theta

    def from_shares(self, shares):
        """Where to begin: a weighted least-squares line for each expert, a flat gate."""
        target = self.y if self.family == "gaussian" else np.log((self.y + 0.5) / (self.trials - self.y + 0.5))
        slopes, logs = [], []
        for expert in range(self.k):
            root = np.sqrt(shares[:, expert])
            line = np.linalg.lstsq(self.x * root[:, None], target * root, rcond=None)[0]
            slopes.append(line)
            logs.append(0.5 * np.log(max(1e-4 * target.var(), np.average((target - self.x @ line) ** 2, weights=shares[:, expert]))))
        return np.concatenate([np.zeros(self.gates), *slopes, logs if self.family == "gaussian" else []])

    def is_sound(self, theta):
        gate, _ = self.terms(theta)
        logs = self.parts(theta)[2]
        return np.exp(gate).mean(0).min() >= LEAST_SHARE and (len(logs) == 0 or np.exp(logs).min() >= LEAST_SIGMA * self.y.std())

    def sorted(self, theta):
        """Experts by intercept, the gate of the first 0."""
        gate, slopes, logs = self.parts(theta)
        order = np.argsort(slopes[:, 0])
        gate = gate[order] - gate[order[0]]
        return np.concatenate([gate[1:].ravel(), slopes[order].ravel(), logs[order] if len(logs) else []])


def log_sum(values):
    top = values.real.max(1)
    return top + np.log(np.exp(values - top[:, None]).sum(1))


def soft_plus(values):
    return np.where(values.real > 0, values + np.log(1 + np.exp(-np.where(values.real > 0, values, 0))), np.log(1 + np.exp(np.where(values.real > 0, 0, values))))


def draw(random, chances):
    return (chances.cumsum(1) < random.random(len(chances))[:, None]).sum(1)


def shares_of(scores):
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True)


def binomial2():
    random = np.random.default_rng(20_101)
    x = np.round(random.uniform(-2, 2, 250), 4)
    size = random.integers(5, 21, 250)
    who = draw(random, shares_of(np.column_stack([0 * x, 0.3 + 1.2 * x])))
    eta = np.where(who == 0, -1.4 + 0.9 * x, 1.1 - 0.7 * x)
    y = random.binomial(size, 1 / (1 + np.exp(-eta)))
    return "binomial", 2, {"x": x, "size": size, "y": y}, ["x"], ["x"], who


def gauss3():
    random = np.random.default_rng(20_102)
    x, u = np.round(random.uniform(0, 10, 300), 4), np.round(random.normal(0, 1, 300), 4)
    who = draw(random, shares_of(np.column_stack([0 * x, 3 - 0.6 * x, -2 + 0.5 * x])))
    mean = np.choose(who, [-6 + 2 * x - u, 4 + 0.5 * x + 2 * u, 20 - 1.5 * x])
    y = np.round(mean + np.array([1.0, 0.7, 1.5])[who] * random.normal(0, 1, 300), 6)
    return "gaussian", 3, {"x": x, "u": u, "y": y}, ["x", "u"], ["x"], who


def degenerate3():
    """The third expert has 4 % of the rows and hardly any noise; the other two are nearly parallel."""
    random = np.random.default_rng(20_103)
    x = np.round(random.uniform(0, 10, 300), 4)
    who = draw(random, shares_of(np.column_stack([0 * x, 0.4 - 0.1 * x, -2.2 + 0 * x])))
    mean = np.choose(who, [1 + 1.00 * x, 4 + 1.04 * x, 14 - 1.2 * x])
    y = np.round(mean + np.array([0.8, 0.9, 0.05])[who] * random.normal(0, 1, 300), 6)
    return "gaussian", 3, {"x": x, "y": y}, ["x"], ["x"], who


def starts(random, mixture, who, count):
    n, k = len(who), mixture.k
    truth = np.eye(k)[who]
    yield truth
    yield 0.9 * truth + 0.1 / k
    for start in range(count):
        if start % 3 == 0:
            yield random.dirichlet(np.full(k, 0.3), n) + 1e-3
        elif start % 3 == 1:
            direction = np.column_stack([mixture.x[:, 1:], mixture.y]) - np.column_stack([mixture.x[:, 1:], mixture.y]).mean(0)
            place = (direction / direction.std(0)) @ random.normal(size=direction.shape[1])
            yield np.eye(k)[np.searchsorted(np.sort(random.choice(place, k - 1, replace=False)), place)] + 1e-2
        else:
            # Lines through a few rows each; every row to the nearest.
            target = mixture.y if mixture.family == "gaussian" else mixture.y / mixture.trials
            lines = [np.linalg.lstsq(mixture.x[rows], target[rows], rcond=None)[0] for rows in (random.choice(n, mixture.x.shape[1] + 1, replace=False) for _ in range(k))]
            away = np.abs(target[:, None] - mixture.x @ np.array(lines).T)
            yield np.eye(k)[away.argmin(1)] + 1e-2


def make(case, count=150):
    family, k, table, terms, gate_terms, who = globals()[case]()
    columns = lambda names: np.column_stack([table[name] for name in names]).astype(float)
    mixture = Mixture(family, k, columns(terms), columns(gate_terms), table["y"].astype(float), table["size"].astype(float) if family == "binomial" else None)
    random = np.random.default_rng(7)
    ends = []
    for shares in starts(random, mixture, who, count):
        theta = mixture.fit(mixture.from_shares(shares))
        if mixture.is_sound(theta):
            ends.append((mixture.log_likelihood(theta), theta))
    ends.sort(key=lambda end: -end[0])
    theta = mixture.sorted(mixture.newton(ends[0][1]))
    value, n = mixture.log_likelihood(theta), len(who)
    information = mixture.information(theta)
    gate, density = mixture.terms(theta)
    joint = gate + density
    shares = np.exp(joint - log_sum(joint)[:, None])
    coefficients, slopes, logs = mixture.parts(theta)
    numbers = lambda matrix: [[float(number) for number in row] for row in np.atleast_2d(matrix)]
    reference = {
        "case": case,
        "source": "make_cases.py",
        "n": n,
        "family": family,
        "K": k,
        "expert_terms": ["(Intercept)", *terms],
        "gate_terms": ["(Intercept)", *gate_terms],
        "conventions": {
            "gate": "softmax(Xg w_k), w_1=0",
            "order": "experts by intercept ascending",
            "sigma": "maximum likelihood, own per expert",
            "loglik": "sum_i log sum_k g_ik f_k(y_i), with all constants, the binomial coefficient too",
            "icl": "-2*sum_i log(g_i,z f_z) + df*log(n), z = MAP",
            "bic": "-2 loglik + df log n, n = rows",
            "start": f"random shares / regions / lines through a few rows / the truth; ends with a mean gate < {LEAST_SHARE} or sigma < {LEAST_SIGMA} sd(y) dropped",
        },
        "exact_ml": {
            "loglik": float(value),
            "df": mixture.size,
            "aic": float(-2 * value + 2 * mixture.size),
            "bic": float(-2 * value + mixture.size * np.log(n)),
            "icl": float(-2 * joint.max(1).sum() + mixture.size * np.log(n)),
            "expert_coef": numbers(slopes),
            "sigma": [float(number) for number in np.exp(logs)] if len(logs) else {},
            "gate_coef": numbers(coefficients),
            "se": {
                "note": "sqrt diag inverse observed information; order gate(2..K) expert by expert, expert coef, log sigma",
                "values": [float(number) for number in np.sqrt(np.diag(np.linalg.inv(information)))],
            },
            "max_abs_gradient": float(np.abs(mixture.gradient(theta)).max()),
            "min_eig_information": float(np.linalg.eigvalsh(information).min()),
            "mean_gate": [float(number) for number in np.exp(gate).mean(0)],
            "map_sizes": [int(number) for number in np.bincount(shares.argmax(1), minlength=k)],
            "restarts": count + 2,
            "hits_best": int(sum(end[0] > ends[0][0] - 1e-4 for end in ends)),
            "distinct_optima": sorted({round(float(end[0]), 3) for end in ends}, reverse=True)[:6],
        },
    }
    folder = Path(__file__).parent / case
    folder.mkdir(exist_ok=True)
    (folder / "reference.json").write_text(json.dumps(reference, indent=2) + "\n")
    names = list(table)
    lines = [",".join(f'"{name}"' for name in names)] + [",".join(str(table[name][row]) for name in names) for row in range(n)]
    (folder / "data.csv").write_text("\n".join(lines) + "\n")

    # Starting shares: the truth with much noise, in the order of the intercepts.
    order = np.argsort([slopes_of_rows(mixture, who == expert)[0] for expert in range(k)])
    start = 0.5 * np.eye(k)[who][:, order] + 0.5 * random.dirichlet(np.ones(k), n)
    start = start / start.sum(1, keepdims=True)
    lines = [",".join(f"V{expert + 1}" for expert in range(k))] + [",".join(f"{share:.6f}" for share in row) for row in start]
    (folder / "init_resp.csv").write_text("\n".join(lines) + "\n")
    print(case, json.dumps(reference["exact_ml"], indent=None))


def slopes_of_rows(mixture, rows):
    target = mixture.y if mixture.family == "gaussian" else np.log((mixture.y + 0.5) / (mixture.trials - mixture.y + 0.5))
    return np.linalg.lstsq(mixture.x[rows], target[rows], rcond=None)[0]


for name in sys.argv[1:] or ["binomial2", "gauss3", "degenerate3"]:
    make(name)
