using System.Diagnostics;
using System.Globalization;
using Moe.Classical;
using Moe.Core;
using static TorchSharp.torch;

namespace ExpertsVersusEnsemble;

/// <summary>Lets every contestant learn from the same rows and judges them on the same others, fold by fold.</summary>
internal sealed class Contest(Settings settings, Problem problem)
{
    private readonly Dictionary<string, Outcome> _outcomes = [];
    private readonly List<(Tensor Rows, Tensor Gates)> _gates = [];
    private FittedMixture? _last;

    /// <summary>By contestant, in the order in which they run.</summary>
    public IReadOnlyList<Outcome> Outcomes => [.. _outcomes.Values];

    /// <summary>Steps of a whole contest, for a progress bar.</summary>
    public int Steps => problem.Splits.Count * (settings.Experts.Count + 8);

    /// <summary>What the EM mixture's gate said to each judged row: inputs [n, D] and probabilities [n, K].</summary>
    public (Tensor Inputs, Tensor Gates) Judged => (cat([.. _gates.Select(fold => problem.Data.Inputs.index_select(0, fold.Rows))]), cat([.. _gates.Select(fold => fold.Gates)]));

    /// <summary>Rows of <see cref="Judged"/>, as numbers of the table's rows.</summary>
    public Tensor JudgedRows => cat([.. _gates.Select(fold => fold.Rows)]);

    public void Run(Action<string> step, CancellationToken cancellationToken)
    {
        for (var fold = 0; fold < problem.Splits.Count; fold++)
            RunFold(fold, step, cancellationToken);
    }

    private void RunFold(int fold, Action<string> step, CancellationToken cancellationToken)
    {
        var (train, test) = (problem.Take(problem.Splits[fold].Train), problem.Take(problem.Splits[fold].Test));
        var context = new FitContext { Seed = settings.Seed, CancellationToken = cancellationToken };
        var where = problem.Splits.Count == 1 ? "" : $"fold {fold + 1}: ";

        // Experts are fitted once and shared by what only combines them; each contestant's time counts all the fits that it needs.
        var learners = settings.Experts.Select(name => (Name: name, Learner: Experts.Learner(name, settings.IsClassification))).ToArray();
        var experts = new List<IExpert>();
        var alone = 0.0;
        foreach (var (name, learner) in learners)
        {
            var (expert, seconds) = Fit(name, KindOf(name), learner);
            experts.Add(expert);
            alone += seconds;
        }
        Combine("averaging", "average", new Averaging(experts));
        if (settings.IsClassification)
            Combine("voting", "vote", new Voting(experts));
        Fit("bagging of trees", "bagging", Experts.Bagging(settings.IsClassification));
        if (!settings.Experts.Contains("forest"))
            Fit("forest", "forest", Experts.Forest());
        if (!settings.Experts.Contains("boosting"))
            Fit("boosting", "boosting", Experts.Boosting());
        Fit("stacking", "stacking", new StackingLearner(learners.Select(learner => learner.Learner)));
        Mixtures();

        void Mixtures()
        {
            MixtureMember[] members = [.. learners.Select(learner => new MixtureMember(learner.Name, learner.Learner))];
            step($"{where}moe-frozen");
            var clock = Stopwatch.StartNew();
            var gated = new GatedExpertsLearner(members).Fit(train, context);
            var gating = clock.Elapsed.TotalSeconds;
            Judge("gated experts", "moe-frozen", gated.Mixture, clock);

            // Regressions find their regions by themselves, from several starts. Classifiers are slow to fit and know their regions already: they begin where the gate ended.
            step($"{where}moe-em");
            clock = Stopwatch.StartNew();
            using var start = settings.IsClassification ? gated.Report.Responsibilities() : null;
            var options = settings.IsClassification
                ? new EmOptions { MaxIterations = 6, Folds = 3, Patience = 2, OnSmall = OnSmall.Drop, MinimumShare = 0.002 }
                : new EmOptions { Restarts = 8, Start = StartKind.Regions, MaxIterations = 30 };
            var mixture = new MixtureLearner(members, options).Fit(train, context, start);
            Judge("EM mixture", "moe-em", mixture, clock, start is null ? 0 : gating);
            _last = mixture;
            _gates.Add((tensor(problem.Splits[fold].Test), GatesOf(mixture, test.Inputs)));
        }

        (IExpert Expert, double Seconds) Fit(string name, string kind, IExpertLearner learner)
        {
            step($"{where}{name}");
            cancellationToken.ThrowIfCancellationRequested();
            var clock = Stopwatch.StartNew();
            var expert = learner.Fit(train, context);
            var seconds = clock.Elapsed.TotalSeconds;
            Judge(name, kind, expert, clock);
            return (expert, seconds);
        }

        void Combine(string name, string kind, IExpert ensemble)
        {
            step($"{where}{name}");
            Judge(name, kind, ensemble, Stopwatch.StartNew(), alone);
        }

        void Judge(string name, string kind, IExpert model, Stopwatch clock, double before = 0)
        {
            using var scope = NewDisposeScope();
            var predictions = model.forward(test.Inputs);
            if (!_outcomes.TryGetValue(name, out var outcome))
                _outcomes[name] = outcome = new Outcome(name, kind, settings.IsClassification);
            outcome.Add(predictions, test.Response, before + clock.Elapsed.TotalSeconds, Evaluations(model));
        }
    }

    /// <summary>What the gate of the last fold's EM mixture says to every row of the table, [n, K].</summary>
    public Tensor LastGates() => GatesOf(_last!, problem.Data.Inputs);

    /// <summary>Each expert's region in words: rules of a shallow tree that imitates the choice of the last fold's EM mixture.</summary>
    public string Regions()
    {
        using var scope = NewDisposeScope();
        var surrogate = SurrogateTree.Fit(problem.Data.Inputs, LastGates().argmax(1), settings.Experts.Count);
        return string.Create(CultureInfo.InvariantCulture, $"Who answers, as rules that agree with the gate on {surrogate.Fidelity:P0} of the rows:\n{surrogate.Describe(problem.Names, settings.Experts)}");
    }

    /// <summary>[n, K]; 0 for an expert that EM dropped because it had hardly any rows.</summary>
    private Tensor GatesOf(FittedMixture mixture, Tensor inputs)
    {
        var gates = mixture.Gates(inputs);
        var places = mixture.Components.Select((component, place) => (component.Name, place)).ToDictionary(component => component.Name, component => component.place);
        return stack([.. settings.Experts.Select(name => places.TryGetValue(name, out var place) ? gates.select(1, place) : zeros_like(gates.select(1, 0)))], 1);
    }

    private static string KindOf(string expert) => expert is "forest" or "boosting" ? expert : "single";

    /// <summary>Models asked for one answer; a forest asks its trees. What ML.NET keeps inside counts as one.</summary>
    private static double Evaluations(IExpert model) => model switch
    {
        ICompositeExpert composite => composite.EvaluationsPerPrediction,
        _ => 1,
    };
}
