using Moe.Terminal;
using Moe.Training;
using QuickStart;
using static TorchSharp.torch;

namespace RouterZoo;

/// <summary>Trains one router after the other under the same budget: same data, model, epochs, batches, optimizer, learning rate.</summary>
internal static class Keeper
{
    private const int BatchSize = 64;
    private const double PeakLearningRate = 0.01;
    private const double LastLearningRate = 1e-4;

    public static Outcome Train(Animal animal, Digits digits, int epochs, int seeds, CancellationToken cancellation)
    {
        // Tensors this small are done sooner by one thread than several could agree on who does what.
        set_num_threads(1);
        var outcome = new Outcome(animal.Name);
        for (var seed = 1; seed <= seeds; seed++)
        {
            using var scope = NewDisposeScope();
            var training = WithPositions(digits.Take(digits.RowsOutside(0)));
            var test = WithPositions(digits.Take(digits.RowsOf(0)));
            manual_seed(seed);
            using var router = animal.Build();
            using var model = new PatchModel(router);
            var steps = (training.Count + BatchSize - 1) / BatchSize * epochs;
            var options = new TrainerOptions
            {
                Epochs = epochs,
                BatchSize = BatchSize,
                Seed = seed,
                Lambda = 0.01,
                LearningRate = Schedule.Cosine(PeakLearningRate, LastLearningRate, steps).WarmUp(20),
                NoiseScale = Schedule.Linear(1, 0, steps),
                Metrics = [Metric.Accuracy],
            };
            var trainer = new Trainer(
                model,
                parameters => optim.AdamW(parameters, weight_decay: 0.01),
                TaskLosses.CrossEntropy,
                animal.Training?.Invoke(options, steps) ?? options,
                new TerminalProgress { Title = $"{animal.Name,-26} {seed}/{seeds}", EpochsPerLine = 0 });
            outcome.Add(trainer.Fit(training, test, cancellation), router);
        }
        return outcome;
    }

    private static TrainingData WithPositions(TrainingData images) => new(images.Inputs, images.Targets, tokenIds: PatchModel.Positions(images.Count));
}
