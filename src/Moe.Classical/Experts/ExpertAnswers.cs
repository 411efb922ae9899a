using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Asks experts of any kind, networks included, for answers in Float64 on the CPU.</summary>
internal static class ExpertAnswers
{
    /// <summary>The answer to rows, checked.</summary>
    /// <param name="expert">Any expert; a network is asked in its own type, on its own device.</param>
    /// <param name="rows">[n, D], Float64 on the CPU, contiguous, finite.</param>
    /// <returns>[n, Dout], Float64 on the CPU, contiguous, new. The caller owns it.</returns>
    /// <exception cref="InvalidOperationException">The answer has another shape, or a number in it is not finite.</exception>
    public static Tensor Of(IExpert expert, Tensor rows)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var n = rows.size(0);
        if (n == 0)
            return scope.MoveToOuter(zeros(0, expert.OutputWidth, dtype: ScalarType.Float64, device: CPU));
        var parameter = expert is nn.Module module ? module.parameters().FirstOrDefault() : null;
        var answer = expert.forward(parameter is null ? rows : rows.to(parameter.dtype, parameter.device));
        if (answer.dim() != 2 || answer.size(0) != n || answer.size(1) != expert.OutputWidth)
            throw new InvalidOperationException($"An expert answered [{string.Join(", ", answer.shape)}] to rows [{n}, {rows.size(1)}]; expected [{n}, {expert.OutputWidth}].");
        var plain = answer.detach().to(ScalarType.Float64, CPU).contiguous();
        var values = HostMemory.Of<double>(plain);
        for (var place = 0; place < values.Length; place++)
        {
            if (!double.IsFinite(values[place]))
                throw new InvalidOperationException($"An expert answered {values[place].ToString(CultureInfo.InvariantCulture)} to row {place / expert.OutputWidth}; answers must be finite.");
        }
        return scope.MoveToOuter(plain);
    }

    /// <summary>The same for an expert with a view of some columns; null for all.</summary>
    public static Tensor Of(IExpert expert, Tensor rows, IReadOnlyList<int>? columns)
    {
        if (columns is null)
            return Of(expert, rows);
        using var view = Columns.Of(rows, columns);
        return Of(expert, view);
    }

    /// <summary>What an expert says honestly of the rows of its fit, where its learner promised that (<see cref="IExpertLearner.AnswersOutOfSample"/>).</summary>
    /// <returns>[n, Dout]. The caller owns it.</returns>
    /// <exception cref="InvalidOperationException">It cannot.</exception>
    public static Tensor OutOfSample(IExpert expert, string learner) => expert is IOutOfSample honest
        ? honest.OutOfSample()
        : throw new InvalidOperationException($"Learner \"{learner}\" says that its experts answer out of sample, but {expert.GetType().Name} is no {nameof(IOutOfSample)}.");

    /// <summary>The expert that a learner gave has the widths that the data ask for.</summary>
    public static IExpert Checked(IExpert expert, FitData data, string learner)
    {
        if (expert.InputWidth != data.Width || expert.OutputWidth != data.Response.Width)
            throw new ArgumentException($"The expert of learner \"{learner}\" maps {expert.InputWidth} columns to {expert.OutputWidth}; the data need {data.Width} to {data.Response.Width}.", nameof(expert));
        return expert;
    }
}
