"""Small real tables with missing values, and what is published about them.

The numbers are embedded, so that no test needs a download. A dot is a missing value.
"""

from typing import NamedTuple

import numpy as np


class Table(NamedTuple):
    names: tuple
    X: np.ndarray


def _columns(**texts):
    columns = [[np.nan if word == "." else float(word) for word in text.split()]
               for text in texts.values()]
    X = np.array(columns).T.copy()
    X.flags.writeable = False
    return Table(tuple(texts), X)


# New York air quality, May to September 1973, 153 days; R's `airquality` (package datasets), from
# J. M. Chambers, W. S. Cleveland, B. Kleiner, P. A. Tukey, Graphical Methods for Data Analysis,
# Wadsworth, 1983
_DAYS = (31, 30, 31, 31, 30)
AIRQUALITY = _columns(
    ozone="""
41 36 12 18 . 28 23 19 8 . 7 16 11 14 18 14 34 6 30 11 1 11 4 32 . . . 23 45 115 37 . . . . .
. 29 . 71 39 . . 23 . . 21 37 20 12 13 . . . . . . . . . . 135 49 32 . 64 40 77 97 97 85 . 10
27 . 7 48 35 61 79 63 16 . . 80 108 20 52 82 50 64 59 39 9 16 78 35 66 122 89 110 . . 44 28 65
. 22 59 23 31 44 21 9 . 45 168 73 . 76 118 84 85 96 78 73 91 47 32 20 23 21 24 44 21 28 9 13
46 18 13 24 16 13 23 36 7 14 30 . 14 18 20""",
    solar_r="""
190 118 149 313 . . 299 99 19 194 . 256 290 274 65 334 307 78 322 44 8 320 25 92 66 266 . 13
252 223 279 286 287 242 186 220 264 127 273 291 323 259 250 148 332 322 191 284 37 120 137 150
59 91 250 135 127 47 98 31 138 269 248 236 101 175 314 276 267 272 175 139 264 175 291 48 260
274 285 187 220 7 258 295 294 223 81 82 213 275 253 254 83 24 77 . . . 255 229 207 222 137 192
273 157 64 71 51 115 244 190 259 36 255 212 238 215 153 203 225 237 188 167 197 183 189 95 92
252 220 230 259 236 259 238 24 112 237 224 27 238 201 238 14 139 49 20 193 145 191 131 223""",
    wind="""
7.4 8 12.6 11.5 14.3 14.9 8.6 13.8 20.1 8.6 6.9 9.7 9.2 10.9 13.2 11.5 12 18.4 11.5 9.7 9.7
16.6 9.7 12 16.6 14.9 8 12 14.9 5.7 7.4 8.6 9.7 16.1 9.2 8.6 14.3 9.7 6.9 13.8 11.5 10.9 9.2 8
13.8 11.5 14.9 20.7 9.2 11.5 10.3 6.3 1.7 4.6 6.3 8 8 10.3 11.5 14.9 8 4.1 9.2 9.2 10.9 4.6
10.9 5.1 6.3 5.7 7.4 8.6 14.3 14.9 14.9 14.3 6.9 10.3 6.3 5.1 11.5 6.9 9.7 11.5 8.6 8 8.6 12
7.4 7.4 7.4 9.2 6.9 13.8 7.4 6.9 7.4 4.6 4 10.3 8 8.6 11.5 11.5 11.5 9.7 11.5 10.3 6.3 7.4
10.9 10.3 15.5 14.3 12.6 9.7 3.4 8 5.7 9.7 2.3 6.3 6.3 6.9 5.1 2.8 4.6 7.4 15.5 10.9 10.3 10.9
9.7 14.9 15.5 6.3 10.9 11.5 6.9 13.8 10.3 10.3 8 12.6 9.2 10.3 10.3 16.6 6.9 13.2 14.3 8 11.5""",
    temp="""
67 72 74 62 56 66 65 59 61 69 74 69 66 68 58 64 66 57 68 62 59 73 61 61 57 58 57 67 81 79 76
78 74 67 84 85 79 82 87 90 87 93 92 82 80 79 77 72 65 73 76 77 76 76 76 75 78 73 80 77 83 84
85 81 84 83 83 88 92 92 89 82 73 81 91 80 81 82 84 87 85 74 81 82 86 85 82 86 88 86 83 81 81
81 82 86 85 87 89 90 90 92 86 86 82 80 79 77 79 76 78 78 77 72 75 79 81 86 88 97 94 96 94 91
92 93 93 87 84 80 78 75 73 81 76 77 71 71 78 67 76 68 82 64 71 81 69 63 70 77 75 76 68""",
    month=" ".join(f"{month} " * days for month, days in zip(range(5, 10), _DAYS)),
    day=" ".join(str(day + 1) for days in _DAYS for day in range(days)),
)
# naniar's mcar_test(airquality), as its manual prints it: statistic, degrees of freedom, p-value
# and number of patterns
AIRQUALITY_MCAR = (35.1, 14, 0.00142, 4)

# National Health and Nutrition Examination Survey, 25 people: age group, body mass index,
# hypertensive (1 no, 2 yes), cholesterol; mice's `nhanes`, from J. L. Schafer, Analysis of
# Incomplete Multivariate Data, Chapman & Hall, 1997, table 6.14
NHANES = _columns(
    age="1 2 1 3 1 3 1 1 2 2 1 2 3 2 1 1 3 2 1 3 1 1 1 3 2",
    bmi=""". 22.7 . . 20.4 . 22.5 30.1 22 . . . 21.7 28.7 29.6 . 27.2 26.3 35.3 25.5 . 33.2
27.5 24.9 27.4""",
    hyp=". 1 1 . 1 . 1 1 1 . . . 1 2 1 . 2 2 1 2 . 1 1 1 1",
    chl=". 187 187 . 113 184 118 187 238 . . . 206 204 . . 284 199 218 . . 229 131 . 186",
)

# 18 apple trees: size of the crop (hundreds of fruits) and 100 x percentage of wormy fruits;
# R. J. A. Little and D. B. Rubin, Statistical Analysis with Missing Data, Wiley, 1987, table 6.1,
# after G. W. Snedecor and W. G. Cochran, Statistical Methods, 1967, table 6.9.1
APPLE = _columns(
    size="8 6 11 22 14 17 18 24 19 23 26 40 4 4 5 6 8 10",
    worms="59 58 56 53 50 45 43 42 39 38 30 27 . . . . . .",
)
# ML estimates and log-likelihood (there without the constant n_observed log(2 pi) / 2) of R's
# mvnmle, whose optimiser stops with six digits
APPLE_MEAN = np.array([14.7223, 49.3332])
APPLE_COVARIANCE = np.array([[89.5341, -90.6965], [-90.6965, 114.6947]])
APPLE_LOG_LIKELIHOOD = -74.217476133121 - 30 * np.log(2 * np.pi) / 2

# 12 observations of two variables with known means of 0, in the discussion of the paper of
# A. P. Dempster, N. M. Laird and D. B. Rubin: G. D. Murray, Journal of the Royal Statistical
# Society B 39, 1977, p. 27. Two maxima: variances 8/3, correlation 1/2 and -1/2; a saddle point
# where the variances are 5/2 and the correlation is 0
MURRAY = _columns(
    first="1 1 -1 -1 2 2 -2 -2 . . . .",
    second="1 -1 1 -1 . . . . 2 2 -2 -2",
)

# Heat of hardening of 13 cements (last column) and four ingredients (N. R. Draper and H. Smith,
# Applied Regression Analysis, Wiley, 1966), with the missing values of D. B. Rubin, Comparing
# regressions when some predictor values are missing, Technometrics 18, 1976; `missvals` of R's
# mvnmle, whose estimates and log-likelihood (without the constant) follow
CEMENT = _columns(
    x1="7 1 11 11 7 11 3 1 2 . . . .",
    x2="26 29 56 31 52 55 71 31 54 . . . .",
    x3="6 15 8 8 6 9 17 22 18 4 23 9 8",
    x4="60 52 20 47 33 22 . . . . . . .",
    x5="78.5 74.3 104.3 87.6 95.9 109.2 102.7 72.5 93.1 115.9 83.8 113.3 109.4",
)
CEMENT_MEAN = np.array([6.655166, 49.965258, 11.769231, 27.047090, 95.423077])
CEMENT_COVARIANCE = np.array([
    [21.825569, 20.864341, -24.900389, -11.473449, 46.953038],
    [20.864341, 238.012411, -15.817377, -252.072290, 195.603621],
    [-24.900389, -15.817377, 37.869824, -9.599213, -47.556216],
    [-11.473449, -252.072290, -9.599213, 294.183033, -190.598484],
    [46.953038, 195.603621, -47.556216, -190.598484, 208.904871],
])
CEMENT_LOG_LIKELIHOOD = -86.978323784902 - 50 * np.log(2 * np.pi) / 2
