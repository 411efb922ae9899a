using System.Diagnostics;
using TorchSharp.Modules;

namespace Moe.Training;

/// <summary>One call of Fit: the loop over epochs and steps, its progress, the best model so far, and checkpoints.</summary>
internal sealed class TrainingRun : IDisposable
{
    private readonly RoutedModel _model;
    private readonly OptimizerHelper _optimizer;
    private readonly TrainerOptions _options;
    private readonly TrainerCallback[] _callbacks;
    private readonly TrainingData _training;
    private readonly TrainingData? _validation;
    private readonly StepSettings _settings;
    private readonly Lambdas _lambdas;
    private readonly TrainingStep _step;
    private readonly CollapseWatch? _watch;
    private readonly Evaluator _evaluator;
    private readonly BestModel _best;
    private readonly long _stepsPerEpoch;
    private readonly Stopwatch _clock = new();
    private TrainingProgress _progress = new();
    private double _secondsBefore;

    public TrainingRun(
        RoutedModel model, OptimizerHelper optimizer, Objective objective, TrainerOptions options, TrainerCallback[] callbacks,
        TrainingData training, TrainingData? validation)
    {
        _model = model;
        _optimizer = optimizer;
        _options = options;
        _callbacks = callbacks;
        _training = training;
        _validation = validation;
        _settings = new StepSettings(model, optimizer, options);
        _lambdas = new Lambdas(options);
        _step = new TrainingStep(model, optimizer, objective, options);
        _watch = options.Alarm is { } alarm ? new CollapseWatch(alarm, model, options.Seed) : null;
        _evaluator = new Evaluator(model, objective, options);
        _best = new BestModel(model, options);
        _stepsPerEpoch = EpochOrder.Steps(training.Count, options);
    }

    private TimeSpan Elapsed => TimeSpan.FromSeconds(_secondsBefore + _clock.Elapsed.TotalSeconds);

    /// <summary>An epoch whose last step has been taken is closed all the same.</summary>
    private bool StoppedByAlarm => _progress.StoppedBy is not null && _progress.StepInEpoch < _stepsPerEpoch;

    public TrainingResult Go(CancellationToken cancellation)
    {
        if (_options.Checkpoint is { } checkpoint)
            AtomicFile.RequireWritable(checkpoint.Path);
        Resume();
        _clock.Start();
        Tell(callback => callback.OnStarted(new TrainingPlan
        {
            Epochs = _options.Epochs,
            StepsPerEpoch = _stepsPerEpoch,
            Samples = _training.Count,
            FirstStep = _progress.Step,
            History = [.. _progress.History],
        }));

        _model.Module.train();
        while (!_progress.StoppedEarly && _progress.Epoch < _options.Epochs && !StoppedByAlarm)
        {
            RunEpoch(cancellation);
            if (StoppedByAlarm)
                Save();
            else
                CloseEpoch(cancellation);
        }

        if (_options.KeepBest && _progress.BestEpoch is { } best)
        {
            _best.Restore();

            // With the temperature and the K that it was judged with; with others its gates would give other outputs.
            _settings.SetGates((best + 1) * _stepsPerEpoch - 1);
        }
        var result = new TrainingResult
        {
            Epochs = [.. _progress.History],
            Steps = _progress.Step,
            StoppedEarly = _progress.StoppedEarly,
            StoppedBy = _progress.StoppedBy,
            BestEpoch = _progress.BestEpoch,
            BestValue = _progress.BestValue,
            Elapsed = Elapsed,
        };
        Tell(callback => callback.OnCompleted(result));
        return result;
    }

    public void Dispose() => _best.Dispose();

    private void RunEpoch(CancellationToken cancellation)
    {
        using var order = new EpochOrder(_training.Count, _options, _progress.Epoch);
        while (_progress.StepInEpoch < _stepsPerEpoch && _progress.StoppedBy is null)
        {
            StopIfCancelled(cancellation);
            _settings.Set(_progress.Step);
            var lambdas = _lambdas.At(_progress.Step, _progress.Factors, _progress.RaisedLambda);
            var before = _clock.Elapsed.TotalSeconds;
            var outcome = _step.Take(_progress.Step, lambdas, _training, order.Batches(_progress.StepInEpoch));
            _progress.Sums.Add(outcome, _clock.Elapsed.TotalSeconds - before);
            if (outcome.SkippedBecause is null)
                _lambdas.Adapt(_progress.Step, outcome.Routing, _progress.Factors);

            var report = Report(outcome);
            _progress.Step++;
            _progress.StepInEpoch++;
            Tell(callback => callback.OnStep(report));
            _watch?.After(report, _progress, alert => Tell(callback => callback.OnAlert(alert)));
            if (_options.Checkpoint?.EverySteps is { } every && _progress.Step % every == 0)
                Save();
        }
    }

    /// <summary>Judges the epoch that is over, and moves on to the next.</summary>
    private void CloseEpoch(CancellationToken cancellation)
    {
        EvaluationReport? validation = null;
        if (_validation is not null)
        {
            StopIfCancelled(cancellation);
            validation = _evaluator.Evaluate(_validation, CancellationToken.None);
        }
        var isBest = validation is not null && _best.Offer(validation, _progress);
        var report = _progress.Sums.Report(_progress, validation, isBest, Elapsed);
        _progress.History.Add(report);
        _progress.StoppedEarly = _options.EarlyStoppingPatience is { } patience
            && _progress.Epoch - (_progress.BestEpoch ?? -1) >= patience;
        _progress.Epoch++;
        _progress.StepInEpoch = 0;
        _progress.Sums = new EpochSums();
        Tell(callback => callback.OnEpoch(report));
        Save();
    }

    private StepReport Report(StepOutcome outcome) => new()
    {
        Step = _progress.Step,
        TotalSteps = _stepsPerEpoch * _options.Epochs,
        Epoch = _progress.Epoch,
        Loss = outcome.Loss,
        TaskLoss = outcome.TaskLoss,
        Balance = outcome.Balance.Value,
        Lambda = outcome.Balance.Lambda,
        Terms = outcome.Terms,
        LearningRate = _optimizer.ParamGroups.First().LearningRate,
        GradientNorm = outcome.GradientNorm,
        Samples = outcome.Samples,
        Tokens = outcome.Tokens,
        Routing = outcome.Routing,
        Health = outcome.Health,
        SkippedBecause = outcome.SkippedBecause,
        Elapsed = Elapsed,
    };

    private void StopIfCancelled(CancellationToken cancellation)
    {
        if (!cancellation.IsCancellationRequested)
            return;
        Save();
        cancellation.ThrowIfCancellationRequested();
    }

    private void Resume()
    {
        if (_options.Checkpoint is not { Resume: true } checkpoint || !File.Exists(checkpoint.Path))
            return;
        (_progress, var best) = TrainingCheckpoint.Load(checkpoint.Path, _model, _optimizer, Settings(), _options.KeepBest);
        _best.Take(best);
        _secondsBefore = _progress.ElapsedSeconds;

        // As the last step left them: an epoch whose steps are done is yet to be judged with these.
        if (_progress.Step > 0)
            _settings.Set(_progress.Step - 1);
    }

    private void Save()
    {
        if (_options.Checkpoint is not { } checkpoint)
            return;
        _progress.Settings = Settings();
        _progress.ElapsedSeconds = Elapsed.TotalSeconds;
        TrainingCheckpoint.Save(checkpoint.Path, _model, _best.State, _optimizer, _progress);
        Tell(callback => callback.OnCheckpoint(checkpoint.Path));
    }

    /// <summary>What decides which batch comes when, what the optimizer's state means, and what the best so far is best at.</summary>
    private Dictionary<string, string> Settings() => new()
    {
        ["Seed"] = $"{_options.Seed}",
        ["BatchSize"] = $"{_options.BatchSize}",
        ["AccumulationSteps"] = $"{_options.AccumulationSteps}",
        ["Monitor"] = _options.Monitor?.Name ?? "the task's loss",
        ["training samples"] = $"{_training.Count}",
        ["validation samples"] = $"{_validation?.Count ?? 0}",
        ["the optimizer"] = $"{_optimizer.GetType().Name} of {_optimizer.parameters().Count()} parameters",
    };

    private void Tell(Action<TrainerCallback> tell)
    {
        foreach (var callback in _callbacks)
            tell(callback);
    }
}
