using Moe.Core;
using Moe.Terminal;
using Moe.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace QuickStart;

/// <summary>Trains the three models on each fold, and judges them on what the fold left out.</summary>
internal static class Experiment
{
    // These, the width of the experts, the shifts and the defaults of --lambda and --epochs were chosen by the mixture's accuracy in a 4-fold
    // cross-validation within the training rows of fold 1, the closest candidates with three seeds each. Fold 1's own test images played no part in
    // it; those of the other folds are among these rows, as in every choice that is made once for all folds. No epoch is picked by a test fold:
    // no early stopping, no keep-best. Most of these settings hardly matter; learning rate, noise and shifts do.
    private const int BatchSize = 256;
    private const double PeakLearningRate = 0.02;
    private const double LastLearningRate = 1e-5;
    private const int WarmUpSteps = 20;
    private const double WeightDecay = 0.05;
    private const double LabelSmoothing = 0.05;

    public static (List<Outcome> Outcomes, Routes Routes) Run(Settings settings, Digits digits, CancellationToken cancellation)
    {
        // Tensors this small are done sooner by one thread than several could agree on who does what.
        set_num_threads(1);

        (Outcome Outcome, Func<nn.Module<Tensor, Tensor>> Build)[] models =
        [
            (new Outcome("mixture"), () => Models.Mixture(settings.Experts, settings.TopK)),
            (new Outcome("single MLP"), () => Models.SingleMlp(settings.Experts, settings.TopK)),
            (new Outcome("ensemble"), () => Models.Ensemble(settings.Experts)),
        ];
        Routes? routes = null;
        for (var fold = 0; fold < settings.Folds; fold++)
        {
            using var scope = NewDisposeScope();
            var training = digits.TakeShifted(digits.RowsOutside(fold));
            var test = digits.Take(digits.RowsOf(fold));
            foreach (var (outcome, build) in models)
            {
                manual_seed(settings.Seed);
                using var model = build().to(settings.Device);
                var trainer = TrainerFor(model, outcome.Name, fold, training.Count, settings);
                var result = trainer.Fit(training, test, cancellation);
                using var logits = trainer.Predict(test.Inputs, cancellation: cancellation);
                outcome.Add(result, model, logits.cpu(), test.Targets);

                // The first model of the first fold is the mixture whose experts are looked at.
                routes ??= Routes.Of((MixtureOfExperts)model, digits, digits.RowsOf(fold), settings.Device);
            }
        }
        return ([.. models.Select(model => model.Outcome)], routes!);
    }

    private static Trainer TrainerFor(nn.Module<Tensor, Tensor> model, string name, int fold, long samples, Settings settings)
    {
        var steps = (samples + BatchSize - 1) / BatchSize * settings.Epochs;
        var options = new TrainerOptions
        {
            Epochs = settings.Epochs,
            BatchSize = BatchSize,
            Seed = settings.Seed,
            Lambda = settings.Lambda,
            LearningRate = Schedule.Cosine(PeakLearningRate, LastLearningRate, steps).WarmUp(WarmUpSteps),
            NoiseScale = Schedule.Linear(1, 0, steps),

            // The test fold is looked at after each epoch for the curves in the picture. Nothing is decided by it.
            Metrics = [Metric.Accuracy],
            Checkpoint = new CheckpointOptions
            {
                Path = Path.Combine(settings.Out, "checkpoints", $"fold{fold + 1}-{name.Replace(' ', '-')}.safetensors"),
                Resume = settings.Resume,
            },
        };
        return new Trainer(
            model,
            parameters => optim.AdamW(parameters, weight_decay: WeightDecay),
            (logits, labels) => nn.functional.cross_entropy(logits, labels, label_smoothing: model.training ? LabelSmoothing : 0),
            options,
            new TerminalProgress { Title = $"fold {fold + 1}/{settings.Folds}  {name,-10}", EpochsPerLine = 0 });
    }
}
