using System.Runtime.ExceptionServices;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// Trains a model, with mixtures of experts inside or without, on L = L_task + λ · L_balance + Σ λᵢ · Lᵢ.
/// </summary>
/// <remarks>
/// <para>The settings are given once, the data to <see cref="Fit"/>. It writes nothing to the console: callbacks are told.</para>
/// <para>With the same model, data, options and random state, on one device and one number of threads, it gives the same bits on a CPU;
/// interrupted and resumed from a checkpoint, those of the run that was not interrupted.</para>
/// <para>Seed torch before the model is built (<c>torch.manual_seed</c>); a trainer draws nothing from the global generator itself.</para>
/// </remarks>
public sealed class Trainer
{
    private readonly RoutedModel _model;
    private readonly Func<IEnumerable<Parameter>, optim.Optimizer> _makeOptimizer;
    private readonly Objective _objective;
    private readonly TrainerCallback[] _callbacks;

    /// <summary>Builds a trainer.</summary>
    /// <param name="model">
    /// What is trained, on the device where it is to be trained. With mixtures inside it must be an <see cref="Core.IRoutedModule"/>, a
    /// <see cref="Core.RoutedSequential"/> for one. Not owned.
    /// </param>
    /// <param name="optimizer">Makes the optimizer from the parameters that require gradients; called by each <see cref="Fit"/>, which disposes it. Any of TorchSharp's but LBFGS.</param>
    /// <param name="loss">The task's loss; see <see cref="TaskLosses"/>.</param>
    /// <param name="options">The settings; the defaults when null.</param>
    /// <param name="callbacks">Are told how it goes, in this order. Not owned.</param>
    /// <exception cref="ArgumentException">
    /// An option is out of range, a mixture in the model would be left out of the objective, a router is not causal though <see cref="TrainerOptions.Autoregressive"/>
    /// is set, or there is a <see cref="TrainerOptions.SelectionBalancer"/> and no gate has a bias to move.
    /// </exception>
    public Trainer(
        nn.Module<Tensor, Tensor> model,
        Func<IEnumerable<Parameter>, optim.Optimizer> optimizer,
        TaskLoss loss,
        TrainerOptions? options = null,
        params TrainerCallback[] callbacks)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(callbacks);
        if (callbacks.Any(callback => callback is null))
            throw new ArgumentException($"Expected callbacks without null, got {callbacks.Length} with {callbacks.Count(callback => callback is null)} null.", nameof(callbacks));
        Options = options ?? new TrainerOptions();
        Options.Validate(nameof(options));
        _model = new RoutedModel(model);
        _makeOptimizer = optimizer;
        if (Options.Autoregressive && _model.NotCausal() is { } reason)
            throw new ArgumentException(reason, nameof(model));
        if (Options.SelectionBalancer is { } balancer && _model.Gates.Count > 0 && !_model.HasSelectionBias)
            throw new ArgumentException($"SelectionBalancer ({balancer.GetType().Name}) has nothing to move: no gate of the model has a SelectionBias.", nameof(options));
        _objective = new Objective(loss, Options.Balance, Options.Terms);
        _callbacks = [.. callbacks];
    }

    /// <summary>The settings.</summary>
    public TrainerOptions Options { get; }

    /// <summary>Trains the model in place.</summary>
    /// <param name="training">What to learn from.</param>
    /// <param name="validation">What to be judged on after each epoch; null for no judging.</param>
    /// <param name="cancellation">Ends training between two steps; a checkpoint is written first if there is to be one.</param>
    /// <returns>What came of it.</returns>
    /// <exception cref="ArgumentException">Early stopping or keep-best is asked for without validation data, a gate refuses what a schedule gave it, or a mixture is not fit for the revival that an alarm was
    /// answered with.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled. The model is as after its last step.</exception>
    /// <exception cref="NonFiniteTrainingException">A loss or gradient was NaN or infinite, and the options say to stop.</exception>
    /// <exception cref="InvalidOperationException">
    /// There is nothing to train, a loss or a metric is not a scalar, a λ or a learning rate is out of range, an alarm's response cannot be carried out, or <see cref="TrainerOptions.TopK"/> made a router
    /// look ahead though <see cref="TrainerOptions.Autoregressive"/> is set.
    /// </exception>
    /// <exception cref="NotSupportedException">The optimizer is LBFGS, which evaluates the loss several times a step.</exception>
    /// <exception cref="InvalidDataException">The checkpoint to resume from is broken or of another training; nothing has changed.</exception>
    /// <exception cref="IOException">The checkpoint cannot be written where the options say.</exception>
    public TrainingResult Fit(TrainingData training, TrainingData? validation = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(training);
        if (validation is null && (Options.KeepBest || Options.EarlyStoppingPatience is not null))
        {
            throw new ArgumentException(
                $"KeepBest ({Options.KeepBest}) and EarlyStoppingPatience ({Options.EarlyStoppingPatience}) need validation data, but there is none.", nameof(validation));
        }

        var modes = _model.Modes();
        using var optimizer = MakeOptimizer();
        using var run = new TrainingRun(_model, optimizer, _objective, Options, _callbacks, training, validation);
        var completed = false;
        try
        {
            var result = run.Go(cancellation);
            completed = true;
            return result;
        }
        finally
        {
            modes.Restore();
            TellEnded(completed);
        }
    }

    /// <summary>Judges the model as it is.</summary>
    /// <param name="data">What to judge it on.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <returns>Loss, balance, the options' metrics, and who answered.</returns>
    public EvaluationReport Evaluate(TrainingData data, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        return new Evaluator(_model, _objective, Options).Evaluate(data, cancellation);
    }

    /// <summary>The model's outputs in evaluation mode, batch by batch and without gradients.</summary>
    /// <param name="inputs">[samples, *].</param>
    /// <param name="mask">True for real tokens; null when all are.</param>
    /// <param name="tokenIds">What the tokens are in their vocabulary, for gates that choose by a table; null for others.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <returns>[samples, *], on the model's device; the caller owns it.</returns>
    public Tensor Predict(Tensor inputs, Tensor? mask = null, Tensor? tokenIds = null, CancellationToken cancellation = default) =>
        new Evaluator(_model, _objective, Options).Predict(new TrainingData(inputs, inputs, mask, tokenIds), cancellation);

    private OptimizerHelper MakeOptimizer()
    {
        var parameters = _model.Module.parameters().Where(parameter => parameter.requires_grad).ToArray();
        if (parameters.Length == 0)
            throw new InvalidOperationException("No parameter of the model requires gradients, so that there is nothing to train.");
        var optimizer = _makeOptimizer(parameters) ?? throw new InvalidOperationException("The function that makes the optimizer gave null.");
        if (optimizer is OptimizerHelper managed)
            return managed;
        using (optimizer)
        {
            throw new NotSupportedException(
                $"{optimizer.GetType().Name} cannot be used here: it evaluates the loss several times a step, and does not give its state away.");
        }
    }

    /// <summary>Tells every callback, whatever the others do, and then throws what the first threw unless that would hide why training ended.</summary>
    private void TellEnded(bool completed)
    {
        ExceptionDispatchInfo? first = null;
        foreach (var callback in _callbacks)
        {
            try
            {
                callback.OnEnded();
            }
#pragma warning disable CA1031 // Whatever one throws, the ones after it have files to close.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                first ??= ExceptionDispatchInfo.Capture(exception);
            }
        }
        if (completed)
            first?.Throw();
    }
}
